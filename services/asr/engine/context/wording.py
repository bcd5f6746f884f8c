"""One spelling for texts that are compared: lower case, no punctuation, apostrophes dropped ("what's" is "whats")."""

from __future__ import annotations

import re

_DROPPED = re.compile(r"['’‘`´]")
_NO_WORD = re.compile(r"[^\w%°]+|_")
_HAN = re.compile(r"([\u3400-\u4dbf\u4e00-\u9fff])")  # written without blanks: each character counts as a word
_ONES = "one two three four five six seven eight nine"
_TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
DIGIT_WORDS = ("zero", *_ONES.split())
NUMBER_WORDS = frozenset({*DIGIT_WORDS, *_TEENS.split(), *_TENS.split(), "oh", "hundred", "double", "triple"})


def words(text: str) -> tuple[str, ...]:
    """The words of a text, as they are compared: "What's 7:30?" is ("whats", "7", "30")."""
    return tuple(_HAN.sub(r" \1 ", _NO_WORD.sub(" ", _DROPPED.sub("", text.casefold()))).split())


def is_number(word: str) -> bool:
    """Whether a word of `words` is a number or a part of one: "twenty", "7", "50%"."""
    return word in NUMBER_WORDS or word.rstrip("%°").isdecimal()


def sentence(text: str) -> str:
    """A text as a recogniser writes a sentence: "turn it on" is "Turn it on."."""
    return f"{text[:1].upper()}{text[1:]}." if text else ""
