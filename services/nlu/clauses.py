"""Several requests in one sentence: where a text may be parted, and which parting leaves requests on every side.

A joint is only a place to look at: "bread and butter" has one, and "the living room and kitchen lights". What decides
is whether every part is understood by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise

from parley.v1 import nlu_pb2

_JOINTS = {
    "en": re.compile(
        r"\s*[,;.!?]+\s+(?:(?:and|then|also|plus|after that|please)\s+)*"
        r"|\s+(?:and|then|plus)\s+(?:(?:then|also|after that|afterwards|please)\s+)*",
        re.IGNORECASE,
    ),
    "zh": re.compile(
        r"\s*[，,；;。！!、]\s*(?:然后|接着|之后|并且|同时|还有|顺便|另外|最后)?(?:再|也)?"
        r"|(?:然后|接着|之后|并且|同时|顺便|另外)(?:再|也)?|(?<=.)[再并](?=.)"
    ),
}
_HOLLOW = {
    "en": re.compile(
        r"\b(?:the|a|an|my|our|all|in|on|at|to|of|for|and|please|too|also|as well|now)\b|[^\w]", re.IGNORECASE
    ),
    "zh": re.compile(r"[的里中请把也和与跟在吧啊呢]|还有|所有|全部|[^\w]"),
}  # fmt: skip
_MOST_PIECES = 6


@dataclass(frozen=True, slots=True)
class Clause:
    """text[start:end]."""

    start: int
    end: int


def clauses(text: str, language: str) -> list[list[Clause]]:
    """Every run of neighbouring pieces but the whole text: `clauses[i][j]` is the run of j + 1 pieces from piece i.

    Empty where there is no joint, or where there are so many that the text is no sentence of requests.
    """
    places = [0]
    ends = []
    for joint in _JOINTS[language].finditer(text) if language in _JOINTS else ():
        if joint.start() > places[-1] and text[joint.end() :].strip():
            ends.append(joint.start())
            places.append(joint.end())
    ends.append(len(text))
    if not 1 < len(places) <= _MOST_PIECES:
        return []
    count = len(places)
    return [
        [Clause(places[first], ends[last]) for last in range(first, count) if last - first < count - 1]
        for first in range(count)
    ]


def partings(runs: list[list[Clause]], stands: Callable[[Clause], bool]) -> list[Clause]:
    """The parting into the most runs that all `stands` accepts; empty where there is none."""
    count = len(runs)
    best: list[list[Clause] | None] = [None] * count + [[]]
    for first in reversed(range(count)):
        for length, clause in enumerate(runs[first], start=1):
            rest = best[first + length]
            if rest is None or not stands(clause):
                continue
            if best[first] is None or len(rest) + 1 > len(best[first] or ()):
                best[first] = [clause, *rest]
    return best[0] or []


def is_bare(text: str, understanding: nlu_pb2.Understanding) -> bool:
    """True where `text` names things and asks for nothing: "kitchen lights", after "turn on the living room and"."""
    spans: Iterable[tuple[int, int]] = sorted((slot.start, slot.end) for slot in understanding.slots)
    rest, place = [], 0
    for start, end in spans:
        rest.append(text[place : max(place, start)])
        place = max(place, end)
    rest.append(text[place:])
    hollow = _HOLLOW.get(understanding.language, _HOLLOW["en"])
    return not hollow.sub("", " ".join(rest)).strip()


def whole(text: str, parts: Mapping[Clause, nlu_pb2.Understanding]) -> nlu_pb2.Understanding:
    """The understanding of a text in parts: what the first says, and every part with its words."""
    first_clause, first = next(iter(parts.items()))
    told = nlu_pb2.Understanding()
    told.CopyFrom(first)
    told.confidence = min(part.confidence for part in parts.values())
    for slot in told.slots:
        slot.start += first_clause.start
        slot.end += first_clause.start
    told.parts.extend(
        nlu_pb2.Part(text=text[clause.start : clause.end], start=clause.start, end=clause.end, understanding=part)
        for clause, part in parts.items()
    )
    assert all(one.end <= other.start for one, other in pairwise(parts))
    return told
