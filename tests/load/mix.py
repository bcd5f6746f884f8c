"""What people say in a load: turns of every kind, typed and spoken, in conversations, at moments drawn beforehand."""

from __future__ import annotations

import math
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

SENTENCES = (
    ("turn on the kitchen light", "en"),
    ("turn off the bedroom lamp", "en"),
    ("把厨房的灯打开", "zh"),
    ("set a timer for ten minutes", "en"),
    ("cancel the timer", "en"),
    ("what is your return policy", "en"),
    ("退货政策是什么", "zh"),
    ("i want a refund for order A1234", "en"),
    ("turn on the light", "en"),
    ("the office", "en"),
    ("who won the world cup in 1998", "en"),
    ("hello", "en"),
)
RECORDINGS = tuple(sorted((Path(__file__).resolve().parents[1] / "audio").glob("*.flac")))
_CONVERSATION = 6  # turns of one conversation
_BETWEEN_TURNS = 15.0  # seconds between two turns of a person, on average
_FEWEST_PEOPLE = 32


@dataclass(frozen=True, slots=True)
class Arrival:
    """One turn that is to be sent `due` seconds after the load begins."""

    due: float
    conversation_id: str
    text: str
    locale: str
    recording: Path | None = None  # spoken instead of `text`


def arrivals(
    turns: int,
    rate: float,
    *,
    audio_share: float = 0.0,
    seed: int = 1,
    poisson: bool = True,
    recordings: Sequence[Path] = RECORDINGS,
) -> list[Arrival]:
    """`turns` turns at `rate` a second: of independent people (Poisson), or evenly apart. The same for the same seed
    but for the conversations, which are new each time."""
    chance = random.Random(seed)
    people = max(_FEWEST_PEOPLE, math.ceil(rate * _BETWEEN_TURNS))
    conversations = [str(uuid.uuid4()) for _ in range(people)]
    planned = []
    for number, due in zip(range(turns), _moments(rate, chance if poisson else None), strict=False):
        person = number % people
        if number // people % _CONVERSATION == 0:
            conversations[person] = str(uuid.uuid4())
        text, locale = chance.choice(SENTENCES)
        recording = chance.choice(recordings) if chance.random() < audio_share else None
        planned.append(Arrival(due, conversations[person], text, "en" if recording else locale, recording))
    return planned


def _moments(rate: float, chance: random.Random | None) -> Iterator[float]:
    moment = 0.0
    while True:
        yield moment
        moment += chance.expovariate(rate) if chance else 1 / rate
