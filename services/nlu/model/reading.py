"""What a model makes of a text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from services.nlu.model.labels import OUTSIDE, Labels

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class TaggedSpan:
    """text[start:end] names `slot`, says the tagger, with the mean probability of its tags."""

    slot: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class Reading:
    """`logits`: one for each of Labels.intents, before calibration."""

    logits: Floats
    spans: tuple[TaggedSpan, ...]


class Reader(Protocol):
    """Reads texts of one language."""

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading a text (normalised), in order."""
        ...


def decode(labels: Labels, pieces: Sequence[tuple[int, int]], probabilities: Floats) -> tuple[TaggedSpan, ...]:
    """Spans from tag probabilities [pieces, tags]; an inside tag without its beginning begins a span."""
    spans: list[TaggedSpan] = []
    current: tuple[str, int, int, list[float]] | None = None
    for (start, end), row in zip(pieces, probabilities, strict=True):
        if start == end:
            continue
        tag = int(row.argmax())
        slot = "" if tag == OUTSIDE else labels.slots[(tag - 1) // 2]
        begins = tag % 2 == 1
        if current is not None and (slot != current[0] or begins):
            spans.append(_span(current))
            current = None
        if slot:
            # Either tag of the slot speaks for it.
            share = float(row[labels.begin(slot)] + row[labels.begin(slot) + 1])
            _, first, _, shares = current or (slot, start, end, [])
            current = (slot, first, end, [*shares, share])
    if current is not None:
        spans.append(_span(current))
    return tuple(spans)


def _span(found: tuple[str, int, int, list[float]]) -> TaggedSpan:
    slot, start, end, shares = found
    return TaggedSpan(slot, start, end, sum(shares) / len(shares))
