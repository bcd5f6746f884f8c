"""Text turns a second through the whole road, beside the engines called in one loop."""

from __future__ import annotations

import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from tests.benchmarks.client import client_of
from tests.benchmarks.figures import Figure
from tests.stack import Stack

_TURNS = 300
_CLIENTS = 16
_SENTENCES = (
    "turn on the kitchen light",
    "turn off the bedroom lamp",
    "set the office light to blue",
    "open the living room curtains",
    "what time is it",
    "set a timer for ten minutes",
)


def measure(stack: Stack) -> list[Figure]:
    """Conversations side by side until all are answered; the engines' own time for the same turns is the minimum."""
    client = client_of(stack)

    def turn(number: int) -> float:
        body = {"text": _SENTENCES[number % len(_SENTENCES)], "locale": "en", "conversation_id": f"load-{uuid.uuid4()}"}
        answer = client.post("/v1/utterances", params={"wait": 60}, json=body).json()
        assert answer["reply"]["text"], answer
        return float(sum(answer["engine_ms"].values())) / 1000

    with ThreadPoolExecutor(_CLIENTS) as pool:
        list(pool.map(turn, range(_CLIENTS * 2)))
        started = time.perf_counter()
        list(pool.map(turn, range(_TURNS)))
        seconds = time.perf_counter() - started
    # Engines in one loop: the engine times of the same turns, one after the other with nothing beside them.
    engine_seconds = sum(turn(number) for number in range(len(_SENTENCES) * 5)) / (len(_SENTENCES) * 5)
    return [
        Figure(
            f"text turns a second, {_CLIENTS} conversations side by side",
            _TURNS / seconds,
            "turns/s",
            bare=1 / engine_seconds,
            higher_is_better=True,
        )
    ]
