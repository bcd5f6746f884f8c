"""Reads a pack from its folder and checks that it holds together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from shared.errors import InvalidPack
from shared.packs.model import Action, Device, EntityType, EntityValue, Intent, Pack, Required, SlotUse

BUNDLED = Path(__file__).parent / "bundled"
_KINDS = frozenset({"list", "percentage", "temperature", "duration", "time", "number", "code", "text"})
_RISKS = frozenset({"low", "medium", "high"})


@cache
def bundled_packs() -> tuple[Pack, ...]:
    """The packs that come with Parley, in the order of their names."""
    return tuple(load_pack(folder) for folder in sorted(BUNDLED.iterdir()) if (folder / "pack.yaml").is_file())


def load_pack(folder: Path) -> Pack:
    """Load the pack in `folder`; raises InvalidPack naming the entry that is wrong."""
    file = folder / "pack.yaml"
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidPack("pack.yaml", str(folder), "is missing; a pack is a folder with a pack.yaml") from error
    except yaml.YAMLError as error:
        raise InvalidPack("pack.yaml", str(file), f"is not YAML: {error}") from error
    if not isinstance(content, dict) or not content.get("name"):
        raise InvalidPack("name", str(file), "has no `name`; give the pack one")
    entities = {name: _entity(name, entry) for name, entry in _entries(content, "entities")}
    actions = {name: _action(name, entry) for name, entry in _entries(content, "actions")}
    pack = Pack(
        name=content["name"],
        version=str(content.get("version", "0")),
        languages=tuple(content.get("languages", ["en"])),
        path=folder,
        intents={name: _intent(name, entry) for name, entry in _entries(content, "intents")},
        entities=entities,
        actions=actions,
        devices=tuple(
            Device(*(str(_needed(entry, name, "devices")) for name in ("id", "device", "area")))
            for entry in content.get("devices") or []
        ),
    )
    _check(pack)
    return pack


def _entries(content: Mapping[str, Any], field: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    entries = content.get(field) or {}
    if not isinstance(entries, dict):
        raise InvalidPack(field, entries, "is no mapping; write `name: {...}` for each")
    for name, entry in entries.items():
        if not isinstance(entry or {}, dict):
            raise InvalidPack(f"{field}.{name}", entry, "is no mapping; write its parts under it")
        yield str(name), entry or {}


def _needed(entry: Any, name: str, where: str) -> Any:
    if not isinstance(entry, dict) or name not in entry:
        raise InvalidPack(f"{where}.{name}", entry, f"is missing; give each entry its `{name}`")
    return entry[name]


def _forms(forms: Any, where: str) -> tuple[str, ...]:
    if not isinstance(forms, list):
        raise InvalidPack(where, forms, "is no list; write the forms as [one, another]")
    return tuple(map(str, forms))


def _required(given: Any, where: str) -> Required:
    try:
        return Required(given)
    except ValueError as error:
        raise InvalidPack(where, given, f"is unknown; use one of {', '.join(Required)}") from error


def _entity(name: str, entry: Mapping[str, Any]) -> EntityType:
    kind = entry.get("kind", "list")
    if kind not in _KINDS:
        raise InvalidPack(f"entities.{name}.kind", kind, f"is unknown; use one of {', '.join(sorted(_KINDS))}")
    where = f"entities.{name}.values"
    values = tuple(
        EntityValue(
            value=str(_needed(value, "value", where)),
            forms={
                language: _forms(forms, f"{where}.{language}")
                for language, forms in value.items()
                if language != "value"
            },
        )
        for value in entry.get("values", [])
    )
    if kind == "list" and not values:
        raise InvalidPack(f"entities.{name}.values", [], "is empty; a list entity needs values")
    return EntityType(name=name, kind=kind, values=values)


def _action(name: str, entry: Mapping[str, Any]) -> Action:
    risk = entry.get("risk", "low")
    if risk not in _RISKS:
        raise InvalidPack(f"actions.{name}.risk", risk, "is unknown; use low, medium or high")
    return Action(name=name, connector=entry.get("connector", ""), risk=risk, roles=tuple(entry.get("roles", [])))


def _intent(name: str, entry: Mapping[str, Any]) -> Intent:
    slots = {}
    for slot, given in (entry.get("slots") or {}).items():
        use = given or {}
        slots[slot] = SlotUse(
            name=slot,
            entity=use.get("entity", slot),
            required=_required(use.get("required", "never"), f"intents.{name}.slots.{slot}.required"),
            default=str(use.get("default", "")),
        )
    return Intent(name=name, slots=slots, action=entry.get("action", ""), knowledge=bool(entry.get("knowledge", False)))


def _check(pack: Pack) -> None:
    for intent in pack.intents.values():
        for slot in intent.slots.values():
            if slot.entity not in pack.entities:
                raise InvalidPack(
                    f"intents.{intent.name}.slots.{slot.name}.entity", slot.entity, "is not among the pack's entities"
                )
        if intent.action and intent.action not in pack.actions:
            raise InvalidPack(f"intents.{intent.name}.action", intent.action, "is not among the pack's actions")
    known = {name: {value.value for value in entity.values} for name, entity in pack.entities.items()}
    for device in pack.devices:
        if device.device not in known.get("device", ()) or device.area not in known.get("area", ()):
            raise InvalidPack(f"devices.{device.id}", device, "names a device or area that is not among the entities")
