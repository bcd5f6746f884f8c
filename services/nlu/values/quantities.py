"""Percentages and temperatures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from services.nlu.values.mention import Mention
from services.nlu.values.numbers import (
    CHINESE,
    CHINESE_NUMBER,
    ENGLISH,
    ENGLISH_NUMBER,
    canonical,
    chinese,
    english,
)

# "Lowest" is 1, as home-assistant-intents has it: a light told so still shines.
_LEVELS = {
    "en": {"max": "100", "maximum": "100", "full": "100", "highest": "100", "half": "50", "min": "1", "minimum": "1",
           "lowest": "1"},
    "zh": {"最亮": "100", "最高": "100", "最大": "100", "一半": "50", "最暗": "1", "最低": "1", "最小": "1"},
}  # fmt: skip
_PERCENT = {
    "en": re.compile(rf"(?<![\w.])(?P<number>{ENGLISH}) ?(?:%|per ?cent\b|pct\b)"),
    "zh": re.compile(rf"百分之(?P<number>{CHINESE})|(?P<sign>\d+(?:\.\d+)?) ?%"),
}
_LEVEL = {
    "en": re.compile(rf"\b(?:{'|'.join(sorted(_LEVELS['en'], key=len, reverse=True))})\b"),
    "zh": re.compile("|".join(_LEVELS["zh"])),
}
_DEGREES = {
    "en": re.compile(
        rf"(?<![\w.])(?P<number>{ENGLISH})(?: ?(?:degrees?|°) ?(?P<scale>celsius|centigrade|fahrenheit|c\b|f\b)?"
        r"| (?P<bare>celsius|centigrade|fahrenheit)|(?<=\d)(?P<unit>[cf]))(?!\w)"
    ),
    "zh": re.compile(
        rf"(?P<scale>华氏|摄氏)?(?P<number>{CHINESE}) ?(?P<unit>华氏度|摄氏度|°[cf]?|度(?!数)[cf]?)(?P<half>半)?"
    ),
}
_NUMBER: dict[str, tuple[re.Pattern[str], Callable[[str], float]]] = {
    "en": (ENGLISH_NUMBER, english),
    "zh": (CHINESE_NUMBER, chinese),
}


def percentages(text: str, language: str) -> Iterator[Mention]:
    """Values from 0 to 100: "fifty percent", "50%", "百分之五十", "maximum", "最亮"."""
    to_number = _NUMBER[language][1]
    for match in _PERCENT[language].finditer(text):
        words = next(words for words in match.groups() if words)
        value = to_number(words)
        if value <= 100:
            yield Mention(match.start(), match.end(), canonical(value))
    for match in _LEVEL[language].finditer(text):
        yield Mention(match.start(), match.end(), _LEVELS[language][match.group()])


def temperatures(text: str, language: str) -> Iterator[Mention]:
    """Degrees Celsius; Fahrenheit is converted."""
    to_number = _NUMBER[language][1]
    for match in _DEGREES[language].finditer(text):
        value = to_number(match["number"])
        named = " ".join(str(match.groupdict().get(group) or "") for group in ("scale", "bare", "unit"))
        if match.groupdict().get("half"):
            value += 0.5
        if "华氏" in named or re.search(r"fahrenheit|\bf\b|[°度]f", named):
            value = round((value - 32) / 1.8, 1)
        yield Mention(match.start(), match.end(), canonical(value))


def bare_numbers(text: str, language: str) -> Iterator[Mention]:
    """Numbers with no unit, whatever they count."""
    pattern, to_number = _NUMBER[language]
    for match in pattern.finditer(text):
        yield Mention(match.start(), match.end(), canonical(to_number(match.group())))
