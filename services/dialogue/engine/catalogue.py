"""The loaded packs, arranged for deciding: which intent needs what, where devices stand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.dialogue.engine.state import Flow, Frame
from shared.errors import InvalidPack
from shared.packs import Action, EntityType, Intent, Pack, SlotUse
from shared.packs.model import Required

# Entities of the home that Parley's packs share: what devices are and where they stand.
DEVICE = "device"
AREA = "area"
# Entities a pronoun can stand for.
THINGS = (DEVICE, "cover", "door")


@dataclass(frozen=True, slots=True)
class Known:
    """An intent with what its pack says of it."""

    intent: Intent
    pack: Pack

    @property
    def action(self) -> Action:
        """The action that serves the intent; only for intents that have one."""
        return self.pack.actions[self.intent.action]

    def entity(self, slot: str) -> EntityType:
        """What a slot of the intent can hold."""
        return self.pack.entities[self.intent.slots[slot].entity]

    def slot_of(self, entity: str) -> str:
        """The slot that holds an entity, or empty where the intent has none."""
        return next((use.name for use in self.intent.slots.values() if use.entity == entity), "")

    def areas_of(self, frame: Frame) -> tuple[str, ...]:
        """Where devices of the frame's kind stand."""
        device = frame.get(self.slot_of(DEVICE), "")
        return tuple(dict.fromkeys(each.area for each in self.pack.devices if each.device == device))

    def holds(self, flow: Flow) -> bool:
        """Whether a flow fits the intent: another version of its pack may have begun it."""
        named = {flow.asked, *(slot for frame in flow.frames for slot in frame)} - {""}
        return named <= set(self.intent.slots)

    @property
    def thing_slot(self) -> str:
        """The slot a pronoun can fill, or empty."""
        return next((slot for entity in THINGS if (slot := self.slot_of(entity))), "")

    def complete(self, frame: Frame) -> Frame:
        """`frame` with the values that need no words: defaults, and the area of a device that stands in one only."""
        complete = dict(frame)
        for use in self.intent.slots.values():
            if use.default and not complete.get(use.name):
                complete[use.name] = use.default
        for use in self.intent.slots.values():
            areas = self.areas_of(complete)
            if use.required is Required.UNLESS_UNIQUE and not complete.get(use.name) and len(areas) == 1:
                complete[use.name] = areas[0]
        return complete

    def missing(self, frame: Frame) -> str:
        """The first slot the action cannot do without, or empty."""
        return next((use.name for use in self.intent.slots.values() if self._is_missing(use, frame)), "")

    def choices(self, slot: str, frame: Frame) -> tuple[str, ...]:
        """The values worth offering for a slot that is asked for; empty where there is nothing to choose from."""
        if self.intent.slots[slot].entity == AREA:
            return self.areas_of(frame)
        area = frame.get(self.slot_of(AREA), "")
        if self.intent.slots[slot].entity == DEVICE and area:
            return tuple(dict.fromkeys(each.device for each in self.pack.devices if each.area == area))
        return tuple(value.value for value in self.entity(slot).values)

    def _is_missing(self, use: SlotUse, frame: Frame) -> bool:
        if frame.get(use.name):
            return False
        if use.required is Required.UNLESS_UNIQUE:
            return len(self.areas_of(frame)) > 1
        return use.required is Required.ALWAYS


class Catalogue:
    """Every intent of every pack; intent names are unique over packs."""

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.packs = tuple(packs)
        self._intents: dict[str, Known] = {}
        for pack in packs:
            for intent in pack.intents.values():
                if intent.name in self._intents:
                    other = self._intents[intent.name].pack.name
                    raise InvalidPack(f"{pack.name}.intents", intent.name, f"is in pack {other} too; rename one")
                self._intents[intent.name] = Known(intent, pack)

    def __contains__(self, intent: str) -> bool:
        return intent in self._intents

    def __getitem__(self, intent: str) -> Known:
        return self._intents[intent]

    def intent_of(self, action: str) -> str:
        """The first intent an action serves, or empty."""
        return next((name for name, known in self._intents.items() if known.intent.action == action), "")

    def names(self, language: str, first: Sequence[str]) -> Iterator[str]:
        """How the packs' list values are said in a language, those of the entities `first` before the rest."""
        entities = {entity.name: entity for pack in self.packs for entity in pack.entities.values()}
        ordered = [entities[name] for name in first if name in entities]
        ordered += [entity for entity in entities.values() if entity.name not in first]
        for entity in ordered:
            for value in entity.values:
                yield from value.forms.get(language, ())[:1]
