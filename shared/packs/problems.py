"""What is wrong with a pack: every problem with its file, line, field, value and remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.errors import InvalidPack


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to correct. `file` is relative to the pack's folder; `field` is empty for a whole file."""

    file: str
    line: int
    field: str
    value: object
    remedy: str

    @property
    def place(self) -> str:
        """File, line and field, as editors understand them."""
        return f"{self.file}:{self.line}" + (f": {self.field}" if self.field else "")

    @property
    def shown(self) -> str:
        """The value, short enough for one line."""
        shown = repr(self.value)
        return shown if len(shown) <= 80 else f"{shown[:77]}..."


def refuse(folder: object, problems: Sequence[Problem]) -> None:
    """Raise InvalidPack for the first of `problems`, and say how many follow; nothing where there are none."""
    if not problems:
        return
    first = problems[0]
    more = f" (and {len(problems) - 1} more; `parley domains validate {folder}` lists all)" if problems[1:] else ""
    raise InvalidPack(first.place, first.value, first.remedy + more)
