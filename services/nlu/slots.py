"""From what was tagged and what can be found in a text to slots with canonical values.

Names and values that have a form (a closed list, a number with its unit, a time, a code) are looked for in the text
itself; the tagger says which of several is meant, finds free text, and catches names that were misheard.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from services.nlu.lexicon import Lexicon, Names
from services.nlu.model import TaggedSpan
from services.nlu.normalisation import NormalText
from services.nlu.templates import TemplateSlot
from services.nlu.values import Mention, find, find_bare
from shared.packs import Intent, Pack

_UNTAGGED = 0.5  # confidence of what is plainly there but was not tagged
_GUESSED = 0.4  # share of the tagger's confidence that a misheard name keeps
_NEARLY = 0.85  # similarity at which a word that was not even tagged is taken for a name
_LONG_WORD = re.compile(r"[a-z]{5,}")
_SHORT = 3  # characters of a Chinese text in which one character can be a name by itself


@dataclass(frozen=True, slots=True)
class FoundSlot:
    """text[start:end] of the normalised text is `value` of `name`."""

    name: str
    value: str
    start: int
    end: int
    confidence: float


@dataclass(frozen=True, slots=True)
class _Use:
    name: str
    entity: str
    kind: str


class SlotFinder:
    """Finds the slots of texts, for the entities of the packs."""

    def __init__(self, packs: Sequence[Pack], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._uses: dict[str, tuple[_Use, ...]] = {}
        for pack in packs:
            for intent in pack.intents.values():
                self._uses[intent.name] = tuple(
                    _Use(use.name, use.entity, pack.entities[use.entity].kind) for use in intent.slots.values()
                )
        self._all = tuple({use.name: use for uses in self._uses.values() for use in uses}.values())
        self._entities = sorted({use.entity for use in self._all if use.kind == "list"})
        # Greetings, yes and no: what is named beside them answers a question.
        self._asides = {intent.name for pack in packs for intent in pack.intents.values() if _is_aside(intent)}

    def of_template(
        self, text: NormalText, language: str, intent: str, slots: Iterable[TemplateSlot], now: datetime
    ) -> list[FoundSlot]:
        """The slots a template matched, beyond doubt."""
        uses = {use.name: use for use in self._uses[intent]}
        found = []
        for slot in slots:
            if slot.slot not in uses:
                continue
            words = text.text[slot.start : slot.end]
            value = self._value(uses[slot.slot], words, language, now)
            if value is not None:
                found.append(FoundSlot(slot.slot, value, slot.start, slot.end, 1.0))
        return self._with_names(found, text.text, language)

    def of_tags(
        self, text: NormalText, language: str, intent: str, tags: Sequence[TaggedSpan], now: datetime
    ) -> list[FoundSlot]:
        """The slots of a text that a model read; `intent` is empty where it is out of scope."""
        if intent and intent not in self._uses:  # of no pack: a model that learnt from labelled sentences
            return [
                FoundSlot(tag.slot, text.text[tag.start : tag.end], tag.start, tag.end, tag.confidence) for tag in tags
            ]
        uses = self._uses.get(intent, ())
        if not intent or intent in self._asides:
            found = self._answers(text.text, language, now)
        else:
            found = [each for use in uses for each in self._values(use, text.text, language, tags, now)]
            found = _longest(found)
            found += [each for use in uses for each in self._names(use, text.text, language, tags, found)]
            found += [each for use in uses for each in _free_text(use, text.text, tags, found)]
        return self._with_names(found, text.text, language)

    def _value(self, use: _Use, words: str, language: str, now: datetime) -> str | None:
        if use.kind == "text":
            return words
        if use.kind == "list":
            return self._lexicon.names(use.entity, language).values.get(words)
        mentions = find(use.kind, words, language, now) or find_bare(use.kind, words, language)
        # A bare hour is a time only after "at", which a template leaves outside of the slot.
        mentions = mentions or (find(use.kind, f"at {words}", language, now) if use.kind == "time" else [])
        return mentions[0].value if mentions else None

    def _values(
        self, use: _Use, text: str, language: str, tags: Sequence[TaggedSpan], now: datetime
    ) -> list[FoundSlot]:
        """Values of an open kind; without a unit only where nothing has one."""
        mentions = find(use.kind, text, language, now) or find_bare(use.kind, text, language)
        found = [
            FoundSlot(use.name, each.value, each.start, each.end, _confidence(use, each, tags)) for each in mentions
        ]
        tagged = [each for each in found if each.confidence > _UNTAGGED]
        return tagged or found

    def _names(
        self, use: _Use, text: str, language: str, tags: Sequence[TaggedSpan], taken: Sequence[FoundSlot]
    ) -> list[FoundSlot]:
        """Names of a closed list: spelled out in the text, or tagged and close to one."""
        if use.kind != "list":
            return []
        spelled = self._lexicon.mentions(self._entities, text, language)
        found = [
            FoundSlot(use.name, mention.value, mention.start, mention.end, _confidence(use, mention, tags))
            for entity, mention in spelled
            if entity == use.entity and not _covered(mention, taken)
        ]
        names = self._lexicon.names(use.entity, language)
        for tag in tags:
            free = not any(mention.overlaps(tag.start, tag.end) for _, mention in spelled)
            free = free and not any(tag.start < each.end and each.start < tag.end for each in taken)
            if tag.slot == use.name and free and (value := names.closest(text[tag.start : tag.end])):
                found.append(FoundSlot(use.name, value, tag.start, tag.end, tag.confidence * _GUESSED))
        if not found and language == "en":
            blocked = [*taken, *(FoundSlot("", "", mention.start, mention.end, 0.0) for _, mention in spelled)]
            found += _misspelled(use, names, text, blocked)
        return found

    def _answers(self, text: str, language: str, now: datetime) -> list[FoundSlot]:
        """What a text without a request of its own may answer: every reading of every value in it."""
        found: list[FoundSlot] = []
        for use in self._all:
            mentions = find(use.kind, text, language, now)
            bare = [each for each in find_bare(use.kind, text, language) if each.start == 0 and each.end == len(text)]
            found += (FoundSlot(use.name, each.value, each.start, each.end, _UNTAGGED) for each in mentions or bare)
        return _longest(found)

    def _with_names(self, found: list[FoundSlot], text: str, language: str) -> list[FoundSlot]:
        """With every name of a closed list that the text has outside of what was found."""
        for entity, mention in self._lexicon.mentions(self._entities, text, language):
            alone = language == "zh" and mention.end - mention.start == 1 and len(text) > _SHORT
            if not alone and not _covered(mention, found):
                found.append(FoundSlot(entity, mention.value, mention.start, mention.end, _UNTAGGED))
        return sorted(found, key=lambda each: (each.start, each.end, each.name))


def _misspelled(use: _Use, names: Names, text: str, blocked: Sequence[FoundSlot]) -> list[FoundSlot]:
    """The first word, outside of `blocked`, that is nearly a name: "turn on the kitchin light"."""
    for word in _LONG_WORD.finditer(text):
        if not any(word.start() < each.end and each.start < word.end() for each in blocked):
            value = names.closest(word.group(), _NEARLY)
            if value is not None:
                return [FoundSlot(use.name, value, word.start(), word.end(), _GUESSED)]
    return []


def _is_aside(intent: Intent) -> bool:
    return not intent.slots and not intent.action and not intent.knowledge


def _confidence(use: _Use, mention: Mention, tags: Sequence[TaggedSpan]) -> float:
    shares = [tag.confidence for tag in tags if tag.slot == use.name and mention.overlaps(tag.start, tag.end)]
    return max(shares, default=_UNTAGGED)


def _covered(mention: Mention, found: Iterable[FoundSlot]) -> bool:
    return any(mention.overlaps(each.start, each.end) for each in found)


def _longest(found: Iterable[FoundSlot]) -> list[FoundSlot]:
    """Of overlapping readings the longest, and all that are equally long and stand at the same place."""
    kept: list[FoundSlot] = []
    for each in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        rivals = [one for one in kept if one.start < each.end and each.start < one.end]
        if all((one.start, one.end) == (each.start, each.end) and one.name != each.name for one in rivals):
            kept.append(each)
    return kept


def _free_text(use: _Use, text: str, tags: Sequence[TaggedSpan], taken: Sequence[FoundSlot]) -> list[FoundSlot]:
    """The words tagged as free text: from the first to the last of them, less the values around them."""
    mine = [tag for tag in tags if tag.slot == use.name] if use.kind == "text" else []
    if not mine:
        return []
    start, end = min(tag.start for tag in mine), max(tag.end for tag in mine)
    values = [each for each in taken if each.start < end and start < each.end]
    for each in sorted(values, key=lambda one: one.start):
        if each.start - start <= end - each.end:
            start = max(start, each.end)
        else:
            end = min(end, each.start)
    while start < end and text[start] == " ":
        start += 1
    while start < end and text[end - 1] == " ":
        end -= 1
    if start >= end:
        return []
    confidence = sum(tag.confidence for tag in mine) / len(mine)
    return [FoundSlot(use.name, text[start:end], start, end, confidence)]
