"""The load: turns of every kind across many conversations, sent until the ledger has each."""

from __future__ import annotations

import contextlib
import json
import queue
import random
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx
from kafka import KafkaProducer
from kafka.errors import KafkaError

from shared.topology import UTTERANCES

_SENDERS = 8
_AGAIN_AFTER = 3.0  # seconds until a turn sent by Kafka that the ledger does not know is published again


@dataclass(frozen=True, slots=True)
class Kind:
    """One thing people ask for. `system`: where its task has its effect; empty where it has none."""

    name: str
    words: tuple[str, ...]  # {number} makes them different
    locale: str = "en"
    system: str = ""
    action: str = ""


KINDS = (
    Kind("refund", ("i want a refund for order A{number}",), system="idempotent", action="tickets.refund"),
    Kind("complaint", ("i want to complain about the late delivery",), "en", "reconcilable", "tickets.complaint"),
    Kind("lock", ("lock the front door",), system="at_most_once", action="home.lock"),
    Kind("lock_zh", ("锁上前门",), "zh", "at_most_once", "home.lock"),
    Kind("ticket", ("i want to talk to a human",), system="in_database", action="tickets.hand_off"),
    Kind("light", ("turn on the kitchen light", "turn off the bedroom light")),
    Kind("knowledge", ("what is your return policy", "how long does shipping take")),
    Kind("chat", ("hello", "thank you")),
)
# What the operator's systems carry out.
OUTSIDE = {kind.system: [kind.action] for kind in KINDS if kind.system and kind.system != "in_database"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One turn of the load."""

    turn_id: str
    conversation_id: str
    kind: Kind
    text: str
    by_kafka: bool

    def body(self) -> bytes:
        """As a client writes it."""
        told = {"turn_id": self.turn_id, "conversation_id": self.conversation_id, "text": self.text}
        return json.dumps({**told, "locale": self.kind.locale}).encode()


def plan(turns: int, seed: int, *, name: str, by_kafka: float) -> list[Asked]:
    """`turns` turns, four to a conversation on average; the same for the same seed but for their ids' `name`."""
    chance = random.Random(f"{name}-{seed}")
    conversations = [f"{name}-{seed}-{number}" for number in range(max(1, turns // 4))]
    asked = []
    for number in range(turns):
        kind = KINDS[number % len(KINDS)]
        text = chance.choice(kind.words).format(number=1000 + number)
        turn_id = str(uuid.UUID(int=chance.getrandbits(128), version=4))
        asked.append(Asked(turn_id, chance.choice(conversations), kind, text, chance.random() < by_kafka))
    return asked


class Load:
    """Sends what is planned, `rate` turns a second, and does not rest until the ledger has every turn."""

    def __init__(
        self,
        gateways: Sequence[str],
        kafka: str,
        known: Callable[[Sequence[str]], set[str]],
        tell: Callable[[int], None],
    ) -> None:
        """`known`: which of these turn ids the ledger has; `tell` is told how many are sent."""
        self._gateways = gateways
        self._kafka = kafka
        self._known = known
        self._tell = tell
        self.resent = 0

    def send(self, asked: Sequence[Asked], rate: float, within: float) -> list[Asked]:
        """Send all; returns those that could not be handed in `within` seconds after the last was sent first."""
        waiting: queue.Queue[Asked | None] = queue.Queue()
        missing: list[Asked] = []
        deadline = time.monotonic() + len(asked) / rate + within
        senders = [
            threading.Thread(target=self._serve, args=(waiting, missing, deadline), daemon=True)
            for _ in range(_SENDERS)
        ]
        for sender in senders:
            sender.start()
        began = time.monotonic()
        for number, turn in enumerate(asked):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            waiting.put(turn)
            self._tell(number + 1)
        for _ in senders:
            waiting.put(None)
        for sender in senders:
            sender.join()
        return missing + self._published_again([turn for turn in asked if turn.by_kafka], deadline)

    def _serve(self, waiting: queue.Queue[Asked | None], missing: list[Asked], deadline: float) -> None:
        with httpx.Client(timeout=10, trust_env=False) as client:
            while (turn := waiting.get()) is not None:
                if turn.by_kafka:
                    self._publish([turn])
                elif not self._post(client, turn, deadline):
                    missing.append(turn)

    def _post(self, client: httpx.Client, turn: Asked, deadline: float) -> bool:
        """To either gateway, again and again under the same turn id, until one says that it has it."""
        headers = {"content-type": "application/json"}
        first = random.randrange(len(self._gateways))
        for attempt in range(10_000):
            gateway = self._gateways[(first + attempt) % len(self._gateways)]
            with contextlib.suppress(httpx.HTTPError):
                answer = client.post(f"{gateway}/v1/utterances", content=turn.body(), headers=headers)
                if answer.status_code in (200, 202):
                    return True
                assert answer.status_code in (429, 500, 502, 503, 504), f"{answer.status_code}: {answer.text}"
            if time.monotonic() > deadline:
                return False
            self.resent += 1
            time.sleep(0.3)
        return False

    def _publish(self, turns: Sequence[Asked]) -> None:
        """Straight to Kafka; what a broker that is down does not take is published again later."""
        with contextlib.suppress(KafkaError), _producer(self._kafka) as producer:
            for turn in turns:
                headers = [("ce_id", turn.turn_id.encode()), ("ce_source", b"/clients/chaos")]
                headers += [("ce_type", b"parley.utterance.v1"), ("ce_specversion", b"1.0")]
                producer.send(UTTERANCES, turn.body(), turn.conversation_id.encode(), headers=headers)
            producer.flush(timeout=5)

    def _published_again(self, turns: Sequence[Asked], deadline: float) -> list[Asked]:
        """A client of a broker that forgets publishes until the ledger has it; those it has not at the deadline."""
        while turns:
            known = self._known([turn.turn_id for turn in turns])
            turns = [turn for turn in turns if turn.turn_id not in known]
            if not turns or time.monotonic() > deadline:
                break
            time.sleep(_AGAIN_AFTER)
            known = self._known([turn.turn_id for turn in turns])
            turns = [turn for turn in turns if turn.turn_id not in known]
            self.resent += len(turns)
            self._publish(turns)
        return list(turns)


@contextlib.contextmanager
def _producer(servers: str) -> Iterator[KafkaProducer]:
    producer = KafkaProducer(
        bootstrap_servers=servers, enable_idempotence=False, max_block_ms=2000, bootstrap_timeout_ms=2000
    )
    try:
        yield producer
    finally:
        producer.close(timeout=2)
