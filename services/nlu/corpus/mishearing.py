"""Sentences as a small speech model mishears them: other words that sound alike, and small words lost.

What a slot names is left as it was said: a name that is heard wrongly is mended by asr, which knows the home's words.
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import jellyfish
from pypinyin import lazy_pinyin

from services.nlu.corpus.examples import Example, SlotSpan

_SMALL = {
    "en": {"a", "an", "the", "to", "in", "of", "on", "my", "our", "please", "and", "is", "it", "do", "at", "for", "me",
           "i", "some", "that", "this", "could", "would", "you"},
    "zh": set("的了吧吗一下给把请我要呢啊就"),
}  # fmt: skip
_KEPT = {  # what turns a request into another one
    "en": {"dont", "not", "no", "never", "on", "off", "up", "down", "open", "close", "lock", "unlock", "mute", "unmute",
           "next", "all", "first"},
    "zh": set("不没别莫勿开关上下锁解大小高低全都"),
}  # fmt: skip
_ALIKE_SHARE = 0.7  # of the errors: another word that sounds alike, where there is one; else a small word is lost
_LONG_CODE = 3  # letters from which on the codes of words that sound alike may differ in one
_LEAST_ALIKE = 0.6  # in spelling (Jaro, 0 to 1): "two" is heard as "to", hardly as "day"
_TOKEN = {"en": re.compile(r"[a-z']+"), "zh": re.compile(r"[\u4e00-\u9fff]")}


class Mishearing:
    """Misheard copies of examples in one language, drawn from the words of a corpus."""

    def __init__(self, language: str, texts: Iterable[str]) -> None:
        self._language = language
        self._token = _TOKEN[language]
        words = {word for text in texts for word in self._token.findall(text)}
        self._alike: Mapping[str, Sequence[str]] = _ALIKE[language](words)

    def of(self, example: Example, share: float, rng: random.Random) -> Example:
        """`example` with about `share` of its words outside of slots misheard, its slots where they are then."""
        pieces: list[str] = []
        moved: list[tuple[int, int]] = []  # (place in the text as it was, how far what follows it has moved)
        place = shift = 0
        for match in self._token.finditer(example.text):
            start, end = match.span()
            kept = match[0] in _KEPT[self._language] or any(
                slot.start < end and start < slot.end for slot in example.slots
            )
            if rng.random() >= share or kept:
                continue
            heard = self._heard(match[0], rng)
            if heard == "" and end < len(example.text) and example.text[end] == " ":
                end += 1  # a lost word takes its space along
            pieces += [example.text[place:start], heard]
            shift += len(heard) - (end - start)
            place = end
            moved.append((end, shift))
        text = "".join(pieces) + example.text[place:]
        if not text.strip() or text == example.text:
            return example

        def now(where: int) -> int:
            return where + next((by for place, by in reversed(moved) if place <= where), 0)

        slots = tuple(SlotSpan(slot.slot, now(slot.start), now(slot.end)) for slot in example.slots)
        return Example(text, example.language, example.intent, slots, example.source)

    def _heard(self, word: str, rng: random.Random) -> str:
        """What is heard for `word`: itself where nothing sounds like it and it is too big to be lost."""
        if rng.random() < _ALIKE_SHARE and self._alike.get(word):
            return rng.choice(self._alike[word])
        return "" if word in _SMALL[self._language] else word


def _alike_in_english(words: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Words whose Metaphone codes (Philips, 1990) are the same, or nearly the same and long enough."""
    codes = {word: jellyfish.metaphone(word) for word in words}
    by_code: dict[str, list[str]] = defaultdict(list)
    for word in sorted(words):
        if codes[word]:
            by_code[codes[word]].append(word)
    alike: dict[str, list[str]] = {}
    for code, mine in by_code.items():
        close = [other for other in by_code if _sounds_like(code, other)]
        for word in mine:
            others = [other for each in close for other in by_code[each] if other != word]
            alike[word] = [other for other in others if jellyfish.jaro_similarity(word, other) >= _LEAST_ALIKE]
    return alike


def _sounds_like(code: str, other: str) -> bool:
    if code == other:
        return True
    long = min(len(code), len(other)) >= _LONG_CODE
    return long and abs(len(code) - len(other)) <= 1 and jellyfish.damerau_levenshtein_distance(code, other) == 1


def _alike_in_chinese(words: Collection[str]) -> Mapping[str, Sequence[str]]:
    """Characters that are said the same, whatever their tone."""
    by_sound: dict[str, list[str]] = defaultdict(list)
    for character in sorted(words):
        by_sound[lazy_pinyin(character)[0]].append(character)
    return {each: [other for other in alike if other != each] for alike in by_sound.values() for each in alike}


_ALIKE: Mapping[str, Callable[[Collection[str]], Mapping[str, Sequence[str]]]] = {
    "en": _alike_in_english,
    "zh": _alike_in_chinese,
}
