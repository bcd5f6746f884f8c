"""How sure is sure enough, and how long things are remembered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Policy:
    """The engine's knobs; confidences are nlu's, 0 to 1."""

    confirm_below: float = 0.8  # a medium risk understood with less is confirmed; so is a yes to anything
    switch_from: float = 0.8  # another intent understood with this much ends the pending request
    failed_asks: int = 2  # answers that fit nothing, after which a request is given up
    question_expires: timedelta = timedelta(minutes=5)  # a question nobody answered
    memory_expires: timedelta = timedelta(minutes=30)  # "it", "there" and the last request
