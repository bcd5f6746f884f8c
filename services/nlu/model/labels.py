"""What the models can answer: intents, and begin/inside/outside tags of slots."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from services.nlu.corpus import OUT_OF_SCOPE, SlotSpan
from shared.packs import Pack

OUTSIDE = 0


@dataclass(frozen=True)
class Labels:
    """`intents` in the order of the model's outputs (OUT_OF_SCOPE is one of them), `slots` in that of its tags."""

    intents: tuple[str, ...]
    slots: tuple[str, ...]

    @classmethod
    def of(cls, packs: Sequence[Pack]) -> Labels:
        """The labels of `packs`, in a stable order."""
        intents = sorted({intent for pack in packs for intent in pack.intents})
        slots = sorted({slot for pack in packs for intent in pack.intents.values() for slot in intent.slots})
        return cls((OUT_OF_SCOPE, *intents), tuple(slots))

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """ "O", then "B-x" and "I-x" of every slot."""
        return ("O", *(f"{place}-{slot}" for slot in self.slots for place in "BI"))

    @cached_property
    def out_of_scope(self) -> int:
        return self.intents.index(OUT_OF_SCOPE)

    def begin(self, slot: str) -> int:
        return 1 + 2 * self.slots.index(slot)

    def tag_pieces(self, pieces: Sequence[tuple[int, int]], spans: Sequence[SlotSpan]) -> list[int]:
        """The tag of each piece of a text, pieces and spans being character offsets."""
        tags = [OUTSIDE] * len(pieces)
        for span in spans:
            inside = (i for i, (start, end) in enumerate(pieces) if max(start, span.start) < min(end, span.end))
            for number, index in enumerate(inside):
                tags[index] = self.begin(span.slot) + (number > 0)
        return tags
