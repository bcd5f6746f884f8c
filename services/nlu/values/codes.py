"""Order numbers, ticket numbers and the like: short strings of letters and digits, typed or spelled out."""

from __future__ import annotations

import re
from collections.abc import Iterator

from services.nlu.values.mention import Mention
from services.nlu.values.numbers import CHINESE_DIGITS, ENGLISH_WORDS, SPOKEN_DIGITS

_MOST = 20  # characters
_WRITTEN = r"#?(?=[a-z0-9-]*\d)[a-z]{0,6}-?\d[a-z0-9-]*+"
_spoken = "|".join(sorted({*SPOKEN_DIGITS, *ENGLISH_WORDS, "double", "triple"}, key=len, reverse=True))
_ENGLISH_PIECE = rf"(?:{_WRITTEN}|(?:{_spoken})(?!\w)|[a-z](?= (?:\d|{_spoken})))"
_ENGLISH = re.compile(rf"(?<![\w#-]){_ENGLISH_PIECE}(?: {_ENGLISH_PIECE})*(?![\w%°:])")
_digits = "".join(CHINESE_DIGITS)
_CHINESE = re.compile(
    rf"(?<![a-z0-9{_digits}])(?:[a-z] )?\d(?: \d){{2,}}(?!\d)"
    rf"|(?<![a-z0-9{_digits}]){_WRITTEN}(?![%°:度分秒点小天]|\w*%)|[a-z]?[{_digits}]{{3,}}(?![{_digits}十百千])"
)
_REPEATS = {"double": 2, "triple": 3}


def codes(text: str, language: str) -> Iterator[Mention]:
    """At least three characters, one of them a digit; upper case, no spaces: "a one two" is A12."""
    for match in (_CHINESE if language == "zh" else _ENGLISH).finditer(text):
        value = "".join(_spell(match.group())).upper()
        if 3 <= len(value) <= _MOST and any(character.isdigit() for character in value):
            yield Mention(match.start(), match.end(), value)


def _spell(words: str) -> Iterator[str]:
    repeat, tens = 1, ""
    for word in words.replace("#", "").split():
        if word in _REPEATS:
            repeat = _REPEATS[word]
            continue
        spelled = "".join(str(CHINESE_DIGITS.get(character, character)) for character in word)
        if word in SPOKEN_DIGITS:
            spelled = SPOKEN_DIGITS[word]
        elif word in ENGLISH_WORDS:
            spelled = str(ENGLISH_WORDS[word])
        if tens and len(spelled) == 1 and spelled in "123456789":  # "forty seven" is 47, not 407
            yield tens[0] + spelled
            tens = ""
            continue
        if tens:
            yield tens
            tens = ""
        if word in ENGLISH_WORDS and len(spelled) == 2 and spelled.endswith("0") and spelled != "10":
            tens = spelled
            continue
        yield spelled * repeat
        repeat = 1
    if tens:
        yield tens
