"""Exact matching: a text that one of the packs' templates produces is understood beyond doubt."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hassil.intents import Intents, SlotList, TextSlotList, WildcardSlotList
from hassil.recognize import RecognizeResult, recognize_all

from services.nlu.corpus import OUT_OF_SCOPE, Sentences
from services.nlu.lexicon import Lexicon
from services.nlu.values import Mention, find
from shared.packs import Pack

_FREE_TEXT = "text"
_MOST_FREE_WORDS = 10  # more than that is no longer one thing that a template leaves open
_WORD = {"en": re.compile(r"\S+"), "zh": re.compile(r"\w\w")}


@dataclass(frozen=True, slots=True)
class TemplateSlot:
    """text[start:end] of the normalised text names `slot`."""

    slot: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class TemplateMatch:
    """What a template makes of a text; the intent may be OUT_OF_SCOPE."""

    intent: str
    slots: tuple[TemplateSlot, ...]


class Templates:
    """Every template of one language, ready to match."""

    def __init__(self, packs: Sequence[Pack], sentences: Sentences, lexicon: Lexicon) -> None:
        self._language = sentences.language
        self._free: set[str] = set()
        self._lists: dict[str, SlotList] = {}
        self._kinds: dict[str, str] = {}  # entity -> open kind
        for pack in packs:
            for entity in pack.entities.values():
                if entity.kind == "list":
                    self._lists[entity.name] = _closed(list(lexicon.names(entity.name, self._language).values))
                elif entity.kind == _FREE_TEXT:
                    self._free.add(entity.name)
                    self._lists[entity.name] = WildcardSlotList(name=entity.name)
                else:
                    self._kinds[entity.name] = entity.kind
        after = sorted(sentences.skip_after, key=len, reverse=True)
        self._tail = re.compile(rf"(?: ?(?:{'|'.join(map(re.escape, after))}))+$") if after else None
        self._intents = Intents.from_dict(self._definition(packs, sentences))

    def match(self, text: str, now: datetime) -> TemplateMatch | None:
        """The best match of `text` (normalised), or None. `now`: local time, for "tomorrow"."""
        lists = dict(self._lists)
        for entity, kind in self._kinds.items():
            # What the text names of an open kind becomes a closed list for this text alone.
            lists[entity] = _closed([text[m.start : m.end] for m in find(kind, text, self._language, now)])
        named = [m for kind in set(self._kinds.values()) for m in find(kind, text, self._language, now)]
        results = recognize_all(text, self._intents, slot_lists=lists, language=self._language)
        best = max((each for each in results if self._is_plain(each, named)), key=self._specificity, default=None)
        if best is None:
            return None
        slots = (TemplateSlot(each.name, *each.text_span) for each in best.entities_list if each.text_span is not None)
        return TemplateMatch(best.intent.name, tuple(self._trimmed(text, slot) for slot in slots))

    def _is_plain(self, result: RecognizeResult, named: Sequence[Mention]) -> bool:
        """False where free text holds more than one thing: then the template has swallowed what it does not know."""
        return not any(
            len(_WORD[self._language].findall(entity.text)) > _MOST_FREE_WORDS
            or (entity.text_span is not None and any(mention.overlaps(*entity.text_span) for mention in named))
            for entity in result.entities_list
            if entity.is_wildcard
        )

    def _specificity(self, result: RecognizeResult) -> tuple[int, int]:
        """More named values first, then less free text."""
        named = [entity for entity in result.entities_list if not entity.is_wildcard]
        free = sum(len(entity.text) for entity in result.entities_list if entity.is_wildcard)
        return len(named), -free

    def _trimmed(self, text: str, slot: TemplateSlot) -> TemplateSlot:
        """Without the spaces around it and, if it is free text, without the "please" after it."""
        words = text[slot.start : slot.end]
        if slot.slot in self._free and self._tail is not None:
            words = self._tail.sub("", words) or words
        start = slot.start + len(words) - len(words.lstrip())
        return TemplateSlot(slot.slot, start, start + len(words.strip()))

    def _definition(self, packs: Sequence[Pack], sentences: Sentences) -> dict[str, Any]:
        intents: dict[str, dict[str, Any]] = {}
        for pack in packs:
            rules = sentences.rules.get(pack.name, {})
            for intent in (*pack.intents, OUT_OF_SCOPE):
                texts = [t.text for t in sentences.templates if t.intent == intent and t.pack == pack.name]
                if texts:
                    lists = self._phrases(sentences, pack)
                    block = {"sentences": texts, "expansion_rules": dict(rules), "lists": lists}
                    intents.setdefault(intent, {"data": []})["data"].append(block)
        return {
            "language": self._language,
            "settings": {"ignore_whitespace": self._language == "zh"},
            "intents": intents,
            "skip_words": [*sentences.skip_before, *sentences.skip_after],
        }

    def _phrases(self, sentences: Sentences, pack: Pack) -> Mapping[str, Any]:
        """Lists of whole phrases: any text may stand for one that fills free text after a lead-in; others are exact."""
        lists: dict[str, Any] = {}
        for name, phrases in sentences.lists.get(pack.name, {}).items():
            if name not in self._free:
                lists[name] = {"values": list(phrases)}
        return lists


def _closed(phrases: Sequence[str]) -> TextSlotList:
    return TextSlotList.from_strings(phrases, allow_template=False)
