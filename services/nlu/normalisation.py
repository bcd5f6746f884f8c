"""One spelling for what is typed and what is heard, with the way back to the original characters."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAN = re.compile(f"[{HAN}]")
_SIGNS = "%°#$€£¥"  # say something about the number next to them
_JOINERS = ".:-/"  # kept inside things like 7:30, 21.5 and A-1234
_DROPPED = "'’‘`´"  # "what's" is heard as "whats"


@dataclass(frozen=True, slots=True)
class NormalText:
    """`text` in lower case without punctuation; `offsets[i]` is where its character i stood in `original`."""

    text: str
    original: str
    offsets: tuple[int, ...]

    def span(self, start: int, end: int) -> tuple[int, int]:
        """The original characters behind text[start:end], which must not be empty."""
        return self.offsets[start], self.offsets[end - 1] + 1


def normalise(original: str) -> NormalText:
    """Lower case, full-width to half-width, punctuation to spaces, apostrophes and spaces between Han gone."""
    characters = [
        (folded, place)
        for place, character in enumerate(original)
        for folded in unicodedata.normalize("NFKC", character).lower()
        if folded not in _DROPPED
    ]
    kept: list[tuple[str, int]] = []
    for index, (character, place) in enumerate(characters):
        before = characters[index - 1][0] if index else " "
        after = characters[index + 1][0] if index + 1 < len(characters) else " "
        if character.isalnum() or character in _SIGNS or unicodedata.category(character).startswith("M"):
            kept.append((character, place))
        elif character in _JOINERS and before.isalnum() and after.isalnum() and (before + after).isascii():
            joined = before.isdigit() or after.isdigit()
            kept.append((character if joined else " ", place))
        else:
            kept.append((" ", place))
    spaced = [
        (character, place)
        for index, (character, place) in enumerate(kept)
        if character != " " or _separates(kept, index)
    ]
    return NormalText("".join(character for character, _ in spaced), original, tuple(place for _, place in spaced))


def _separates(characters: list[tuple[str, int]], index: int) -> bool:
    """True for the first space of a run that stands between two words that are not Han."""
    if index == 0 or characters[index - 1][0] == " ":
        return False
    after = next((character for character, _ in characters[index:] if character != " "), "")
    return bool(after) and not _HAN.match(characters[index - 1][0]) and not _HAN.match(after)
