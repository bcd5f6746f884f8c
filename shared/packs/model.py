"""The vocabulary of a pack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path


class Required(StrEnum):
    """When a slot must be known before the action can run."""

    NEVER = "never"
    ALWAYS = "always"
    UNLESS_UNIQUE = "unless_unique"  # an area: needed only where the device stands in several


@dataclass(frozen=True, slots=True)
class EntityValue:
    """One value of a closed entity, and how people say it, by language."""

    value: str
    forms: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class EntityType:
    """What a slot can hold: a closed list of values, or an open kind.

    Kinds: "list", "percentage" (0 to 100), "temperature" (degrees Celsius), "duration" (seconds), "time" and "date"
    (ISO 8601, local), "money" ("25.50 EUR"), "number", "code" (letters and digits), "text".
    """

    name: str
    kind: str
    values: tuple[EntityValue, ...] = ()


@dataclass(frozen=True, slots=True)
class SlotUse:
    """A slot of an intent."""

    name: str
    entity: str
    required: Required = Required.NEVER
    default: str = ""  # value where nothing was said


@dataclass(frozen=True, slots=True)
class Intent:
    """Something a user may want. Its action (if any) runs once every required slot is known."""

    name: str
    slots: Mapping[str, SlotUse]
    action: str = ""
    knowledge: bool = False  # answered from documents


@dataclass(frozen=True, slots=True)
class Action:
    """Something dispatch can do: by which connector, at what risk, for whom."""

    name: str
    connector: str
    risk: str  # "low", "medium", "high"
    roles: tuple[str, ...] = ()  # any one of these; empty: anyone


@dataclass(frozen=True, slots=True)
class Device:
    """One device of the home: its kind is a value of entity "device", its area one of entity "area"."""

    id: str
    device: str
    area: str


@dataclass(frozen=True, slots=True)
class Listening:
    """What a recogniser may expect: single words and names, and whole sentences."""

    words: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pack:
    """One domain, loaded and checked."""

    name: str
    version: str
    languages: tuple[str, ...]
    path: Path
    intents: Mapping[str, Intent]
    entities: Mapping[str, EntityType]
    actions: Mapping[str, Action]
    devices: tuple[Device, ...]
    description: str = ""
    digest: str = ""  # sha256 over every file of the folder, hex
    listen: Mapping[str, Listening] = field(default_factory=dict)  # language -> what the pack itself asks for

    def listening(self, language: str) -> Listening:
        """Words and sentences to be expected in `language` beside those of its entities and intents."""
        return self.listen.get(language, Listening())
