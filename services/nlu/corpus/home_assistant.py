"""Labelled examples from the sentences of the package home-assistant-intents.

A pack that wants them has `sentences/home_assistant.yaml`, which says what becomes of which block of sentences.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from home_assistant_intents import get_intents

from services.nlu.corpus.examples import Example, SlotSpan, assemble
from services.nlu.corpus.sentences import OUT_OF_SCOPE, Sentences
from services.nlu.corpus.spoken import speak
from services.nlu.lexicon import Lexicon
from services.nlu.values import find, find_bare
from shared.errors import InvalidPack
from shared.packs import EntityType, Pack
from shared.packs.drawing import PLACEHOLDER, draw

_TRIES = 6  # draws for one example: some sentences name floors, scenes or windows, which our packs have not
_NUMBERS = {"timer_seconds": (5, 59), "timer_minutes": (2, 59), "timer_hours": (2, 12), "temperature": (15, 28)}
_PERCENTAGES = ("brightness", "volume", "volume_percentage", "fan_speed", "position")
_SHARES = (10, 25, 30, 40, 50, 75, 80, 100)
_LEVELS = {"en": ("maximum", "lowest", "minimum"), "zh": ("最亮", "最暗", "最高")}
_NO_DATE = datetime(2000, 1, 1)
_HOLLOW = re.compile(r"[ 的]|\b(?:the|my|our)\b")


@dataclass(frozen=True, slots=True)
class _Row:
    becomes: str
    lists: Mapping[str, str]  # list of the package -> slot of ours
    needs: Sequence[str]
    without: re.Pattern[str] | None  # what a sentence must not look like


def sample_home_assistant(
    pack: Pack, sentences: Sentences, lexicon: Lexicon, *, per_intent: int, seed: int
) -> list[Example]:
    """About `per_intent` examples for each intent that the pack takes from the package; [] where it takes none."""
    file = pack.path / "sentences" / "home_assistant.yaml"
    if not file.is_file():
        return []
    plan = yaml.safe_load(file.read_text(encoding="utf-8"))
    content = get_intents(plan["languages"].get(sentences.language, ""))
    if not content:
        return []
    rng = random.Random(f"{seed}:home-assistant:{sentences.language}")
    templates = _templates(plan["sentences"], content, file, pack)
    filler = _Filler(pack, sentences, lexicon, content, plan["fillers"][sentences.language], rng)
    examples: dict[str, Example] = {}
    for intent, ours in templates.items():
        for _ in range(per_intent):
            template, row = rng.choice(ours)
            for _ in range(_TRIES):
                example = filler.example(template, row, intent)
                if example is not None:
                    examples[example.text] = example
                    break
    return list(examples.values())


def _templates(
    rows: Sequence[Mapping[str, Any]], content: Mapping[str, Any], file: Path, pack: Pack
) -> dict[str, list[tuple[str, _Row]]]:
    """Templates by the intent they become."""
    chosen: dict[str, list[tuple[str, _Row]]] = {}
    for entry in rows:
        row = _Row(entry["becomes"], entry.get("lists", {}), entry.get("needs", ()), _pattern(entry))
        if row.becomes not in pack.intents and row.becomes != OUT_OF_SCOPE:
            raise InvalidPack("becomes", row.becomes, f"in {file.name} is not among the intents of {pack.name}")
        for block in content["intents"].get(entry["from"], {}).get("data", ()):
            domains = [block.get("slots", {}).get("domain"), *block.get("requires_context", {}).get("domain", ())]
            combination = block.get("metadata", {}).get("slot_combination", "")
            if entry.get("domain", domains[0]) in domains and combination in entry.get("combinations", [combination]):
                chosen.setdefault(row.becomes, []).extend((text.replace("'", ""), row) for text in block["sentences"])
    return chosen


def _pattern(entry: Mapping[str, Any]) -> re.Pattern[str] | None:
    return re.compile(entry["without"]) if "without" in entry else None


class _Filler:
    """Fills the package's lists with our words and finds what they name."""

    def __init__(
        self,
        pack: Pack,
        sentences: Sentences,
        lexicon: Lexicon,
        content: Mapping[str, Any],
        fillers: Sequence[str],
        rng: random.Random,
    ) -> None:
        self._pack, self._language, self._lexicon = pack, sentences.language, lexicon
        self._rules = {name: text.replace("'", "") for name, text in content["expansion_rules"].items()}
        self._lists = sentences.lists[pack.name]
        self._fillers, self._rng = fillers, rng

    def example(self, template: str, row: _Row, intent: str) -> Example | None:
        """An example, or None where what was drawn names too little or too much."""
        pattern = draw(template, self._rules, self._rng)
        if not _HOLLOW.sub("", PLACEHOLDER.sub("", pattern)) or "{floor}" in pattern:
            return None  # a bare name is an answer, not a request
        if row.without and row.without.search(pattern):
            return None
        pieces: list[tuple[str, str]] = []
        place = 0
        for match in PLACEHOLDER.finditer(pattern):
            words, slot = self._words(match["list"], row)
            pieces += [(pattern[place : match.start()], ""), (words, slot)]
            place = match.end()
        pieces.append((pattern[place:], ""))
        plain = assemble(pieces, self._language, intent, f"home-assistant:{intent}:{template}")
        if intent == OUT_OF_SCOPE:
            return plain
        told = [slot for slot in self._slots(plain.text, intent) if not any(_overlap(slot, own) for own in plain.slots)]
        slots = sorted([*plain.slots, *told], key=lambda slot: slot.start)
        if not set(row.needs) <= {slot.slot for slot in slots}:
            return None
        return Example(plain.text, self._language, intent, tuple(slots), plain.source)

    def _words(self, name: str, row: _Row) -> tuple[str, str]:
        """Words for the package's list `name`, and the slot of free text that they are, if they are."""
        slot = row.lists.get(name, name)
        entity = self._pack.entities.get(slot)
        if own := self._lists.get(slot):
            return self._rng.choice(own), slot if entity is not None and entity.kind == "text" else ""
        return self._number(name) or self._other(entity, row), ""

    def _number(self, name: str) -> str:
        """Words for a list of numbers or levels; empty for other lists."""
        if name == "brightness_level":
            return self._rng.choice(_LEVELS[self._language])
        if name == "timer_half":
            return "half"
        if name in _NUMBERS:
            return str(self._rng.randint(*_NUMBERS[name]))
        return str(self._rng.choice(_SHARES)) if name in _PERCENTAGES else ""

    def _other(self, entity: EntityType | None, row: _Row) -> str:
        if entity is not None and entity.kind == "list":
            return self._rng.choice(self._rng.choice(entity.values).forms[self._language])
        if row.becomes == OUT_OF_SCOPE:
            return self._rng.choice(self._fillers)
        return speak("number", self._language, self._rng)

    def _slots(self, text: str, intent: str) -> list[SlotSpan]:
        uses = self._pack.intents[intent].slots.values()
        closed = [use for use in uses if self._pack.entities[use.entity].kind == "list"]
        found = [
            SlotSpan(use.name, mention.start, mention.end)
            for entity, mention in self._lexicon.mentions([use.entity for use in closed], text, self._language)
            for use in closed
            if use.entity == entity
        ]
        for use in uses:
            kind = self._pack.entities[use.entity].kind
            mentions = find(kind, text, self._language, _NO_DATE) or find_bare(kind, text, self._language)
            found += (SlotSpan(use.name, mention.start, mention.end) for mention in mentions)
        return sorted(found, key=lambda slot: slot.start)


def _overlap(one: SlotSpan, other: SlotSpan) -> bool:
    return one.start < other.end and other.start < one.end
