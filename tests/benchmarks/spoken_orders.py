"""From the sound of an order to its slots: `python -m tests.benchmarks.spoken_orders --manifest FILE --set NAME`.

Hears each clip with the pack in tests/packs/coffee_machine expected, understands the text, and counts the clips whose
intent and every slot are right. The rows of the manifest name slots by the words that were said; `SLOTS` says which
slot of the pack each is, and the pack's own forms say which value. The first run trains nlu with the pack.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import dataclass
from pathlib import Path

from parley.v1 import asr_pb2, nlu_pb2
from services.asr import service as asr
from services.asr.expecting import Expecting
from services.asr.settings import AsrSettings
from services.nlu.engine import Request
from services.nlu.service import load_engine
from services.nlu.settings import NluSettings
from shared.blobs import BlobStore
from shared.packs import Pack, installed_packs
from shared.settings import StorageSettings

PACK = Path(__file__).resolve().parents[1] / "packs" / "coffee_machine"
SLOTS = {"coffeeDrink": "brew", "size": "cup", "numberOfShots": "strength", "roast": "beans", "milkAmount": "creamer",
         "sugarAmount": "sweet"}  # fmt: skip
INTENTS = {"orderDrink": "brew_drink"}
FLOOR = 0.6


@dataclass(frozen=True, slots=True)
class Order:
    """One clip and what was ordered in it."""

    audio: Path
    intent: str
    slots: dict[str, str]


def orders(manifest: Path, only_set: str, pack: Pack) -> list[Order]:
    """The set's clips with the pack's names for what their labels say."""
    forms = {
        (entity.name, form): value.value
        for entity in pack.entities.values()
        for value in entity.values
        for form in value.forms["en"]
    }
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        Order(
            manifest.parent / row["audio"],
            INTENTS[row["intent"]],
            {SLOTS[name]: forms[SLOTS[name], words] for name, words in row["slots"].items()},
        )
        for row in rows
        if row.get("set") == only_set
    ]


def main() -> int:
    """Hear, understand, count; 1 where the floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--manifest", type=Path, default=Path("../shared/data/speech/manifest.jsonl"))
    parser.add_argument("--set", default="picovoice_coffee")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th clip")
    parser.add_argument("--plain", action="store_true", help="hear without context")
    parser.add_argument("--show", action="store_true", help="print what went wrong: the clips' words")
    chosen = parser.parse_args()
    os.environ["PARLEY_PACKS_PATHS"] = str(PACK)
    storage = StorageSettings.load()
    packs = installed_packs()
    pack = next(each for each in packs if each.name == PACK.name)
    nlu = load_engine(NluSettings.load(), storage)
    listener = asr.build_listener(AsrSettings.load(), BlobStore.load(storage))
    listener.load()
    expected = None if chosen.plain else Expecting(packs).of_packs([pack.name], "en")
    right = intents = slots_right = slots_wanted = 0
    clips = orders(chosen.manifest, chosen.set, pack)[:: chosen.every]
    for order in clips:
        text = listener.transcribe(asr_pb2.Audio(data=order.audio.read_bytes()), "en", expected).transcript.text
        (understood,) = nlu.understand_batch([Request(text, "en")])
        found = _slots(understood)
        intent = understood.intent == order.intent and not understood.out_of_scope
        intents += intent
        slots_wanted += len(order.slots)
        slots_right += sum(found.get(name) == value for name, value in order.slots.items())
        good = intent and found == order.slots
        right += good
        if chosen.show and not good:
            print(text, "|", found, "| wanted", order.slots, "|", understood.intent, understood.decided_by)
    figures = {
        "clips": len(clips),
        "frame_accuracy": round(right / len(clips), 4),
        "intent_accuracy": round(intents / len(clips), 4),
        "slot_recall": round(slots_right / slots_wanted, 4),
        "context": not chosen.plain,
    }
    print(json.dumps(figures))
    return int(right / len(clips) < FLOOR)


def _slots(understood: nlu_pb2.Understanding) -> dict[str, str]:
    return {slot.name: slot.value for slot in understood.slots if slot.name in SLOTS.values()}


if __name__ == "__main__":
    raise SystemExit(main())
