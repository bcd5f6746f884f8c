"""Reads a pack from its folder and checks that it holds together."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from shared.packs.located import Located, read_located
from shared.packs.model import Action, Device, EntityType, EntityValue, Intent, Listening, Pack, SlotUse
from shared.packs.problems import Problem, refuse
from shared.packs.schema import EntityEntry, IntentEntry, PackEntry, shaped

BUNDLED = Path(__file__).parent / "bundled"
PACK_FILE = "pack.yaml"


@cache
def bundled_packs() -> tuple[Pack, ...]:
    """The packs that come with Parley, in the order of their names."""
    return tuple(load_pack(folder) for folder in sorted(BUNDLED.iterdir()) if (folder / PACK_FILE).is_file())


def load_pack(folder: Path) -> Pack:
    """Load the pack in `folder`; raises InvalidPack naming file, line and entry of the first thing that is wrong."""
    pack, problems = read_pack(folder)
    refuse(folder, problems)
    assert pack is not None  # without a pack there is a problem
    return pack


def read_pack(folder: Path) -> tuple[Pack | None, list[Problem]]:
    """The pack of `folder`'s pack.yaml, None where that has no shape; and everything that is wrong with it."""
    file = folder / PACK_FILE
    if not file.is_file():
        return None, [Problem(PACK_FILE, 1, "", str(folder), "is missing; a pack is a folder with a pack.yaml")]
    located = read_located(file, folder)
    entry, problems = shaped(PackEntry, located)
    if entry is None:
        return None, problems
    pack = Pack(
        name=entry.name,
        version=entry.version,
        description=entry.description,
        languages=tuple(entry.languages),
        path=folder,
        intents={name: _intent(name, each) for name, each in entry.intents.items()},
        entities={name: _entity(name, each) for name, each in entry.entities.items()},
        actions={name: Action(name, a.connector, a.risk, tuple(a.roles)) for name, a in entry.actions.items()},
        devices=tuple(Device(each.id, each.device, each.area) for each in entry.devices),
        digest=_digest(folder),
        listen={name: Listening(tuple(each.words), tuple(each.sentences)) for name, each in entry.listen.items()},
    )
    return pack, [*problems, *_unresolved(pack, located)]


def _entity(name: str, entry: EntityEntry) -> EntityType:
    values = (
        EntityValue(each.value, {language: tuple(forms) for language, forms in (each.__pydantic_extra__ or {}).items()})
        for each in entry.values
    )
    return EntityType(name, entry.kind, tuple(values))


def _intent(name: str, entry: IntentEntry) -> Intent:
    slots = {slot: SlotUse(slot, use.entity or slot, use.required, use.default) for slot, use in entry.slots.items()}
    return Intent(name, slots, entry.action, entry.knowledge)


def _digest(folder: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        if file.is_file() and not file.name.startswith("."):
            digest.update(f"{file.relative_to(folder).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _unresolved(pack: Pack, located: Located) -> Iterator[Problem]:
    """Names that refer to nothing, and values without words."""
    yield from _unresolved_intents(pack, located)
    yield from _unsayable(pack, located)
    known = {name: {value.value for value in entity.values} for name, entity in pack.entities.items()}
    for number, device in enumerate(pack.devices):
        for part in ("device", "area"):
            if getattr(device, part) not in known.get(part, ()):
                remedy = f"is not among the values of the entity {part}; add it there"
                yield located.problem(("devices", number, part), getattr(device, part), remedy)
    for language in pack.listen:
        if language not in pack.languages:
            yield located.problem(("listen", language), language, "is not among the pack's languages")


def _unresolved_intents(pack: Pack, located: Located) -> Iterator[Problem]:
    for intent in pack.intents.values():
        for slot in intent.slots.values():
            place = ("intents", intent.name, "slots", slot.name)
            if slot.entity not in pack.entities:
                remedy = "is not among the pack's entities; add it there, or name another by `entity`"
                yield located.problem((*place, "entity"), slot.entity, remedy)
            elif slot.default and _is_no_value(pack.entities[slot.entity], slot.default):
                yield located.problem((*place, "default"), slot.default, f"is no value of entity {slot.entity}")
        if intent.action and intent.action not in pack.actions:
            remedy = "is not among the pack's actions; add it there"
            yield located.problem(("intents", intent.name, "action"), intent.action, remedy)


def _unsayable(pack: Pack, located: Located) -> Iterator[Problem]:
    for name, entity in pack.entities.items():
        for number, value in enumerate(entity.values):
            place = ("entities", name, "values", number)
            if missing := [language for language in pack.languages if not value.forms.get(language)]:
                remedy = f"has no words in {', '.join(missing)}; write how people say it"
                yield located.problem(place, value.value, remedy)
            if unknown := set(value.forms) - set(pack.languages):
                yield located.problem(place, sorted(unknown)[0], "is not among the pack's languages")


def _is_no_value(entity: EntityType, value: str) -> bool:
    return entity.kind == "list" and value not in {each.value for each in entity.values}
