"""Which language a text is in, told by its script.

Parley's packs speak English and Chinese, whose scripts never overlap, so no statistics are needed; what is written in
another script is not guessed at.
"""

from __future__ import annotations

import re
import unicodedata

from services.nlu.normalisation import HAN

UNDETERMINED = "und"  # ISO 639-2: no language we know
_HAN = re.compile(f"[{HAN}]")
_WORD = re.compile(rf"[^\W\d_{HAN}]+(?:['’][^\W\d_{HAN}]+)*")
_CODE = re.compile(r"[A-Za-z-]*\d[A-Za-z0-9-]*")  # "A1234" is no word of any language


def detect(text: str, locale: str = "") -> str:
    """ "en", "zh" or "und". A text without words ("4711") is in the language of `locale` (BCP 47), else English."""
    text = _CODE.sub(" ", text)
    han = len(_HAN.findall(text))
    words = _WORD.findall(text)
    if not han and not words:
        return "zh" if locale.lower().split("-")[0] == "zh" else "en"
    latin = sum("LATIN" in unicodedata.name(word[0], "") for word in words)
    if han + latin <= len(words) - latin:
        return UNDETERMINED
    # A Han character says about as much as a Latin word.
    return "zh" if han >= latin else "en"
