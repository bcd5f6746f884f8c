"""Steady load: turns of every kind, at a rate that does not depend on how fast they are answered."""

from __future__ import annotations

import itertools
import random
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from tests.load.mix import SENTENCES

_MOST_AT_ONCE = 32
_PEAK = 10 * _MOST_AT_ONCE  # turns
_CONVERSATION = 6  # turns of one conversation


@dataclass
class Load:
    """Sends turns until stopped; `answered` and `failed` count what became of them."""

    client: httpx.Client
    rate: float  # turns a second
    seed: int = 1
    answered: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, until: float) -> None:
        """Send turns until `until` (monotonic seconds), then wait for those under way."""
        order = random.Random(self.seed)
        conversations = [str(uuid.UUID(int=order.getrandbits(128))) for _ in range(_MOST_AT_ONCE)]
        spoken = [0] * _MOST_AT_ONCE
        with ThreadPoolExecutor(_MOST_AT_ONCE) as pool:
            began = time.monotonic()
            for number in itertools.count():
                # First as many at once as there will ever be: what a peak needs is not what grows.
                due = began + max(0, number - _PEAK) / self.rate
                if due >= until:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
                lane = number % _MOST_AT_ONCE
                spoken[lane] += 1
                if spoken[lane] % _CONVERSATION == 0:
                    conversations[lane] = str(uuid.UUID(int=order.getrandbits(128)))
                pool.submit(self._turn, *order.choice(SENTENCES), conversations[lane])

    def _turn(self, text: str, locale: str, conversation: str) -> None:
        body = {"text": text, "locale": locale, "conversation_id": conversation}
        began = time.monotonic()
        try:
            answer = self.client.post("/v1/utterances", params={"wait": 60}, json=body)
            outcome = "" if answer.status_code == 200 and answer.json()["reply"]["text"] else str(answer.status_code)
        except httpx.HTTPError as error:
            outcome = type(error).__name__
        with self._lock:
            if outcome:
                self.failed[outcome] = self.failed.get(outcome, 0) + 1
            else:
                self.answered += 1
                self.seconds.append(time.monotonic() - began)
