"""Numbers in digits and words, English and Chinese."""

from __future__ import annotations

import re

_ONES = dict(zip(("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), range(1, 10), strict=True))
_TEENS = {"ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "sixteen": 16,
          "seventeen": 17, "eighteen": 18, "nineteen": 19}  # fmt: skip
_TENS = {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}
SPOKEN_DIGITS = {"zero": "0", "oh": "0", **{name: str(number) for name, number in _ONES.items()}}
ENGLISH_WORDS = {"zero": 0, **_ONES, **_TEENS, **_TENS}

_ones = "|".join(_ONES)
_below_hundred = rf"(?:(?:{'|'.join(_TENS)})(?: (?:{_ones}))?|{'|'.join(_TEENS)}|{_ones}|zero)"
_decimals = rf"(?: point (?:{'|'.join(SPOKEN_DIGITS)})(?: (?:{'|'.join(SPOKEN_DIGITS)}))*)?"
# A number below 1000 in words, or any in digits: for use inside other patterns.
_spelled = rf"(?:(?:a|{_ones}) hundred(?:(?: and)? {_below_hundred})?|{_below_hundred}){_decimals}(?![a-z])"
ENGLISH = rf"(?:\d{{1,9}}(?:\.\d{{1,4}})?|{_spelled})"

CHINESE_DIGITS = {
    "零": 0, "〇": 0, "一": 1, "幺": 1, "二": 2, "两": 2, "三": 3, "四": 4,
    "五": 5, "六": 6, "七": 7, "八": 8, "九": 9,
}  # fmt: skip
_CHINESE_UNITS = {"十": 10, "百": 100, "千": 1000}
_chinese = "[零〇一二两三四五六七八九十百千]"
CHINESE = rf"(?:\d{{1,9}}(?:\.\d{{1,4}})?|{_chinese}{{1,12}}(?:点{_chinese}{{1,4}}(?![分刻半]))?)"


def english(words: str) -> float:
    """The value of a match of `ENGLISH`."""
    if words[0].isdigit():
        return float(words)
    whole, _, decimals = words.partition(" point ")
    total = 0
    for word in whole.split():
        if word == "hundred":
            total = max(total, 1) * 100
        elif word not in ("a", "and"):
            total += ENGLISH_WORDS[word]
    digits = "".join(SPOKEN_DIGITS[word] for word in decimals.split())
    return float(f"{total}.{digits or 0}")


def chinese(words: str) -> float:
    """The value of a match of `CHINESE`: 二十二 is 22, 一百零五 is 105, 二〇 is 20, 二十一点五 is 21.5, 2十 is 20."""
    if words[-1].isdigit() and words[0].isdigit() and words.isascii():
        return float(words)
    whole, _, decimals = words.partition("点")
    if not any(character in _CHINESE_UNITS for character in whole):
        total = int("".join(str(_digit(character)) for character in whole))
    else:
        total, digit = 0, 0
        for character in whole:
            if character in _CHINESE_UNITS:
                total += (digit or 1) * _CHINESE_UNITS[character]
                digit = 0
            else:
                digit = _digit(character)
        total += digit
    fraction = "".join(str(CHINESE_DIGITS.get(character, 0)) for character in decimals)
    return float(f"{total}.{fraction or 0}")


def _digit(character: str) -> int:
    return CHINESE_DIGITS[character] if character in CHINESE_DIGITS else int(character)


def canonical(value: float) -> str:
    """ "21" or "21.5": no needless decimals."""
    return f"{round(value, 2):g}" if abs(value) < 1e6 else f"{value:.0f}"


ENGLISH_NUMBER = re.compile(rf"(?<![\w.]){ENGLISH}(?![\w.:])")
CHINESE_NUMBER = re.compile(rf"(?<![\d.]){CHINESE}(?![\d.:])")
