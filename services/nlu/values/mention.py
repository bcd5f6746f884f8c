"""A value named in a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mention:
    """text[start:end] of the normalised text, and its value in normal form."""

    start: int
    end: int
    value: str

    def trimmed(self, text: str) -> Mention:
        """The same without spaces at its ends: an optional unit may have taken the space before the next word."""
        words = text[self.start : self.end]
        start = self.start + len(words) - len(words.lstrip(" "))
        return Mention(start, self.end - (len(words) - len(words.rstrip(" "))), self.value)

    def overlaps(self, start: int, end: int) -> bool:
        return self.start < end and start < self.end
