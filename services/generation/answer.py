"""Answers by quoting: the sentences, list or table row of the evidence that fit the question best.

Nothing is worded anew, so nothing can be said that the documents do not say.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from parley.v1 import generation_pb2, knowledge_pb2
from services.generation.sentences import asks_quantity, leans_back, sentences, words

_LOOKED_AT = 3  # passages; the ones after them are too weak to quote
_MOST_SENTENCES = 3
_LONGEST = 320  # characters of several sentences together
_SHORT, _SHORT_WIDE = 40, 24  # characters, and Chinese ones; a sentence this short takes the next one along
_NEARLY_AS_GOOD = 0.6  # of the best score
_ITEM = re.compile(r"(?:[-*•]|\d{1,3}[.)、])\s+")
_STEP = re.compile(r"\d{1,3}[.)、]\s+")
_ROW = re.compile(r"[^:：;；]{1,40}(?:: |：)[^;；]+(?:; |；)[^:：;；]{1,40}(?:: |：)")
_DIGIT = re.compile(r"\d")
_CLOSED = re.compile(r"[.!?。！？…”\"）)]$")
_WIDE = re.compile(r"[\u3400-\u9fff]")


class _Kind(Enum):
    SENTENCE = "sentence"
    ITEM = "item"  # of a list without order
    STEP = "step"  # of a numbered list
    ROW = "row"  # of a table: "Header: cell; Header: cell"


@dataclass(frozen=True, slots=True)
class _Unit:
    """The smallest thing that is quoted."""

    text: str
    kind: _Kind
    line: int


@dataclass(frozen=True, slots=True)
class Quotation:
    """Words of the documents, and where they stand."""

    text: str
    citations: tuple[generation_pb2.Citation, ...]


def quote(evidence: knowledge_pb2.Evidence) -> Quotation | None:
    """The words that answer the evidence's query; None where the evidence says that nothing was found."""
    if not evidence.found:
        return None
    passages = [passage for passage in evidence.passages if passage.text.strip()][:_LOOKED_AT]
    if not passages:
        return _fact(evidence.facts)
    question = evidence.query.text
    for passage in passages:
        units = _units(passage.text)
        scores = _scores(units, question, passage.title)
        if any(scores):
            return _quotation(passage, _chosen(units, scores))
    # Retrieval found it by meaning, or its title alone shares words: the passage as a whole is about the question.
    return _quotation(passages[0], _opening(_units(passages[0].text)))


def _units(text: str) -> list[_Unit]:
    units: list[_Unit] = []
    for number, line in enumerate(line.strip() for line in text.splitlines()):
        if not line:
            continue
        if marker := _ITEM.match(line):
            kind = _Kind.STEP if _STEP.match(line) else _Kind.ITEM
            units.append(_Unit(line[marker.end() :], kind, number))
        elif _ROW.match(line):
            units.append(_Unit(line, _Kind.ROW, number))
        else:
            units.extend(_Unit(sentence, _Kind.SENTENCE, number) for sentence in sentences(line))
    return units


def _scores(units: Sequence[_Unit], question: str, title: str) -> list[float]:
    """Shared words, the ones that tell the units apart counting more; numbers count where the question asks for one.

    Words of the title say what all units are about, and so tell none from the others.
    """
    asked = words(question) - words(title)
    bags = [words(unit.text) for unit in units]
    weight = {word: math.log1p(len(units) / sum(word in bag for bag in bags)) for word in asked & _union(bags)}
    scores = [sum(weight[word] for word in asked & bag) for bag in bags]
    if asks_quantity(question) and any(scores):
        scores = [
            score + 0.5 * (_DIGIT.search(unit.text) is not None) for score, unit in zip(scores, units, strict=True)
        ]
    # A question among the sentences (an FAQ) is answered by what follows it; its own words say nothing.
    for place, unit in enumerate(units):
        if unit.text.endswith(("?", "？")):
            if place + 1 < len(units):
                scores[place + 1] = max(scores[place + 1], scores[place])
            scores[place] = 0.0
    return scores


def _union(bags: Sequence[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*bags)


def _chosen(units: Sequence[_Unit], scores: Sequence[float]) -> list[_Unit]:
    best = max(range(len(units)), key=lambda place: (scores[place], -place))
    unit = units[best]
    if unit.kind in (_Kind.ITEM, _Kind.STEP):
        return _list_around(units, best)
    if unit.kind is _Kind.ROW:
        return [unit]
    if unit.text.endswith((":", "：")):
        return [unit, *_items_after(units, best)]
    before = units[best - 1] if best > 0 else None
    leans = before is not None and before.line == unit.line and leans_back(unit.text)
    chosen = [before, unit] if leans and before is not None else [unit]
    for place in range(best + 1, len(units)):
        following = units[place]
        near = scores[place] >= _NEARLY_AS_GOOD * scores[best] or _is_short(chosen[-1].text)
        length = sum(len(each.text) for each in chosen) + len(following.text)
        fits = len(chosen) < _MOST_SENTENCES and length <= _LONGEST and following.line == unit.line
        if not (near and fits) or following.text.endswith(("?", "？")):
            break
        chosen.append(following)
    return chosen


def _is_short(text: str) -> bool:
    return len(text) < (_SHORT_WIDE if _WIDE.search(text) else _SHORT)


def _list_around(units: Sequence[_Unit], place: int) -> list[_Unit]:
    """A numbered list is quoted whole, of another the one item; both after the sentence that introduces them."""
    kind = units[place].kind
    first = place
    while first > 0 and units[first - 1].kind is kind:
        first -= 1
    before = units[first - 1] if first > 0 else None
    opening = [before] if before is not None and before.text.endswith((":", "：")) else []
    return opening + (_items_after(units, first - 1) if kind is _Kind.STEP else [units[place]])


def _items_after(units: Sequence[_Unit], place: int) -> list[_Unit]:
    items = []
    for unit in units[place + 1 :]:
        if unit.kind not in (_Kind.ITEM, _Kind.STEP):
            break
        items.append(unit)
    return items


def _opening(units: Sequence[_Unit]) -> list[_Unit]:
    """How a passage begins: its first sentences, or its first list or rows."""
    taken: list[_Unit] = []
    for place, unit in enumerate(units):
        prose = unit.kind is _Kind.SENTENCE
        full = place >= _MOST_SENTENCES or sum(len(each.text) for each in taken) + len(unit.text) > _LONGEST
        if taken and (prose != (taken[0].kind is _Kind.SENTENCE) or (full and unit.kind is not _Kind.STEP)):
            break
        taken.append(unit)
        if unit.text.endswith((":", "：")):
            return taken + _items_after(units, place)
    return taken


def _quotation(passage: knowledge_pb2.Passage, units: Sequence[_Unit]) -> Quotation:
    wide = _WIDE.search(passage.text) is not None
    citation = generation_pb2.Citation(passage_id=passage.passage_id, title=passage.title, source=passage.source)
    return Quotation(_joined(units, wide), (citation,))


def _joined(units: Sequence[_Unit], wide: bool) -> str:
    """One line: list items with semicolons between, table rows as sentences, a full stop at the end."""
    stop, semicolon, space = ("。", "；", "") if wide else (".", ";", " ")
    between = {_Kind.SENTENCE: "", _Kind.ROW: stop}
    text = ""
    for place, unit in enumerate(units):
        last = place + 1 == len(units)
        words_of = unit.text
        if unit.kind is not _Kind.SENTENCE and not last:
            words_of = words_of.rstrip(".。;；") + between.get(unit.kind, semicolon)
        text += words_of if last else words_of + space
    return text if _CLOSED.search(text) else text.rstrip(";；:：") + stop


def _fact(facts: Sequence[knowledge_pb2.Fact]) -> Quotation | None:
    if not facts:
        return None
    fact = facts[0]
    wide = _WIDE.search(fact.subject + fact.object) is not None
    glue, stop = ("", "。") if wide else (" ", ".")
    predicate = fact.predicate.replace("_", " ")
    text = glue.join(part for part in (fact.subject, predicate, fact.object) if part) + stop
    citation = generation_pb2.Citation(title=fact.subject, source=fact.source)
    return Quotation(text, (citation,))
