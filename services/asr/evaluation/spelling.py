"""One spelling for what was said and what was written down, so that only what was heard differently is an error.

English: Whisper's own normaliser (Radford et al. 2022, appendix C) in transformers: lower case, no punctuation, no
fillers ("um"), numbers as digits ("seven" is "7"); before it, apostrophes are dropped ("what's" is "whats"), and
the spellings below are made one. Other languages: lower case and no punctuation, each Chinese character a word.
"""

from __future__ import annotations

import re
from functools import cache

from transformers.models.whisper.english_normalizer import EnglishTextNormalizer

from services.asr.engine.context.wording import words

_APOSTROPHES = re.compile("['’‘`´]")
# The same word written otherwise: joined or apart, British or American.
_SAME = {
    "nevermind": "never mind", "ok": "okay", "alright": "all right", "tv": "television",
    "colour": "color", "favourite": "favorite", "grey": "gray", "centre": "center", "metre": "meter",
}  # fmt: skip


def comparable(text: str, language: str) -> str:
    """A text as it is compared."""
    if language.partition("-")[0].lower() in ("", "en"):
        return str(_english()(_APOSTROPHES.sub("", text))).strip()
    return " ".join(words(text))


@cache
def _english() -> EnglishTextNormalizer:
    return EnglishTextNormalizer(_SAME)  # type: ignore[no-untyped-call]
