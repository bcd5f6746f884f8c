"""Values read from an answer that nlu did not tag: it is trained on requests, and an answer is often one word."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.packs import EntityType

_LATIN = re.compile(r"[a-z0-9]", re.IGNORECASE)
_DIGITS = re.compile(r"-?\d+(?:\.\d+)?")
_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_TRIM = " \t\n.,;:!?。，；：！？\"'"
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_WORDS = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * number for number, word in enumerate(_TENS, start=2)
}
_HAN_DIGITS = {digit: number for number, digit in enumerate("零一二三四五六七八九")} | {"两": 2}
_HAN_NUMBER = re.compile(r"([一二两三四五六七八九]?)十([一二三四五六七八九]?)|([零一二两三四五六七八九])")
_UNITS = (
    (re.compile(r"\s*(?:hours?|hrs?|h\b|个?小时|个?钟头)", re.IGNORECASE), 3600),
    (re.compile(r"\s*(?:minutes?|mins?|m\b|分钟?)", re.IGNORECASE), 60),
    (re.compile(r"\s*(?:seconds?|secs?|s\b|秒钟?)", re.IGNORECASE), 1),
)
_LONGEST = 2000  # characters of an argument


@dataclass(frozen=True, slots=True)
class Found:
    """A value, the entity it belongs to, and where its words are: text[start:end]."""

    entity: str
    value: str
    start: int
    end: int


def named_values(entities: Iterable[EntityType], text: str) -> list[Found]:
    """Values of list entities whose forms are in `text`, in order; of overlapping ones the longest."""
    found = [
        Found(entity.name, value.value, start, end)
        for entity in entities
        for value in entity.values
        for forms in value.forms.values()
        for form in forms
        for start, end in _places(form, text)
    ]
    kept: list[Found] = []
    for one in sorted(found, key=lambda one: (one.start - one.end, one.start)):
        if all(one.end <= other.start or one.start >= other.end for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.start)


def open_value(kind: str, text: str) -> str:
    """The value of an open kind that `text` as a whole answers with, in normal form, or empty."""
    if kind == "text":
        return text.strip(_TRIM)[:_LONGEST]
    if kind == "code":
        return _code(text)
    if kind == "duration":
        return _duration(text)
    if kind in ("percentage", "temperature", "number"):
        number = next((number for number, _ in _numbers(text)), "")
        return "" if kind == "percentage" and number and not 0 <= float(number) <= 100 else number
    return ""


def _places(form: str, text: str) -> Iterator[tuple[int, int]]:
    edge = r"\b" if _LATIN.match(form) else ""
    for match in re.finditer(f"{edge}{re.escape(form)}{edge}", text, re.IGNORECASE):
        yield match.start(), match.end()


def _code(text: str) -> str:
    """The first word with a digit in it; else the only word, where it is all letters."""
    words = _CODE.findall(text)
    with_digit = [word for word in words if any(letter.isdigit() for letter in word)]
    if with_digit:
        return str(with_digit[0])[:_LONGEST]
    bare = text.strip(_TRIM)
    return bare[:_LONGEST] if bare.isascii() and bare.isalpha() and bare.isupper() and len(bare) > 2 else ""


def _duration(text: str) -> str:
    """Seconds; parts add up ("an hour and 10 minutes" without its number is not read)."""
    seconds = 0.0
    for number, end in _numbers(text):
        for unit, factor in _UNITS:
            if unit.match(text, end):
                seconds += float(number) * factor
                break
    return _plain(seconds) if seconds else ""


def _plain(number: float) -> str:
    return str(int(number)) if number.is_integer() else str(number)


def _numbers(text: str) -> Iterator[tuple[str, int]]:
    """Numbers in digits, else in English words or Chinese numerals below one hundred; each with where it ends."""
    matches = list(_DIGITS.finditer(text))
    if matches:
        yield from ((_plain(float(match.group())), match.end()) for match in matches)
        return
    pending = 0
    words = list(re.finditer(r"[a-z]+", text.lower()))
    for index, match in enumerate(words):
        number = _WORDS.get(match.group())
        if number is None:
            continue
        following = _WORDS.get(words[index + 1].group(), 0) if index + 1 < len(words) else 0
        if number >= 20 and 0 < following < 10:
            pending = number
            continue
        yield str(pending + number), match.end()
        pending = 0
    for match in _HAN_NUMBER.finditer(text):
        tens, ones, single = match.groups()
        number = _HAN_DIGITS[single] if single else _HAN_DIGITS.get(tens, 1) * 10 + _HAN_DIGITS.get(ones, 0)
        yield str(number), match.end()
