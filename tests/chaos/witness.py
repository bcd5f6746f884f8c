"""A witness at the topics: notes every final reply that passes, and puts some events on the road a second time.

At least once is what the bus promises, so a share of what passes is published again as it is, at once or some seconds
later: same id, same bytes.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import threading
import time
from collections import defaultdict
from typing import Any

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from parley.v1 import generation_pb2, turn_pb2
from shared.topology import DEAD_LETTERS, DECISIONS, EVIDENCE, REPLIES, TASK_RESULTS, TRANSCRIPTS, UNDERSTANDINGS

_LATEST = 5.0  # seconds after which an event comes again, at most
_ROAD = (TRANSCRIPTS, UNDERSTANDINGS, DECISIONS, EVIDENCE, TASK_RESULTS, REPLIES)


class Witness:
    """Reads the road from its own thread, over restarts of the broker too."""

    def __init__(self, kafka: str, *, again: float, seed: int) -> None:
        """`again`: share of the events that come twice."""
        self._kafka = kafka
        self._again = again
        self._chance = random.Random(f"witness-{seed}")
        self._lock = threading.Lock()
        self._finals: dict[str, set[str]] = defaultdict(set)
        self._repeated: set[str] = set()
        self._waiting: list[
            tuple[float, int, Any]
        ] = []  # events to come again: when, and a number that tells them apart
        self._numbers = itertools.count()
        self._letters: set[bytes] = set()
        self._began = time.time()
        self._forgotten = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stopping.set()
        self._thread.join(timeout=10)

    def broker_was_killed(self) -> None:
        """What it holds begins anew: read from its beginning."""
        self._forgotten.set()

    @property
    def repeated(self) -> int:
        """How many events were put on the road again."""
        return len(self._repeated)

    def wait_until_repeated(self, patience: float = 30.0) -> None:
        """Wait until everything that is to come again has come."""
        deadline = time.monotonic() + patience
        while self._waiting and time.monotonic() < deadline:
            time.sleep(0.1)

    @property
    def dead_letters(self) -> int:
        """How many different dead letters there were."""
        with self._lock:
            return len(self._letters)

    def finals(self) -> dict[str, frozenset[str]]:
        """Event ids of final replies by turn."""
        with self._lock:
            return {turn_id: frozenset(events) for turn_id, events in self._finals.items()}

    def _run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(KafkaError, OSError):
                self._read()
            self._stopping.wait(0.3)

    def _read(self) -> None:
        self._forgotten.clear()
        with (
            contextlib.closing(self._consumer()) as consumer,
            contextlib.closing(self._producer()) as producer,
        ):
            consumer.subscribe([*_ROAD, DEAD_LETTERS])
            while not (self._stopping.is_set() or self._forgotten.is_set()):
                for records in consumer.poll(timeout_ms=200).values():
                    for record in records:
                        self._note(record)
                while self._waiting and self._waiting[0][0] < time.monotonic():
                    record = heapq.heappop(self._waiting)[2]
                    place = {"headers": record.headers, "partition": record.partition}
                    producer.send(record.topic, record.value, record.key, **place)

    def _note(self, record: Any) -> None:
        topic, value = record.topic, record.value
        headers = dict(record.headers)
        event_id = headers.get("ce_id", b"").decode()
        with self._lock:
            if topic == DEAD_LETTERS:
                if record.timestamp >= self._began * 1000:  # else it is of a load before this one
                    self._letters.add(value)
                return
            if topic == REPLIES:
                turn = turn_pb2.Turn.FromString(value)
                if turn.reply.kind == generation_pb2.REPLY_KIND_FINAL:
                    self._finals[turn.turn_id].add(event_id)
        if event_id not in self._repeated and self._chance.random() < self._again:
            self._repeated.add(event_id)
            when = time.monotonic() + self._chance.uniform(0, _LATEST)
            heapq.heappush(self._waiting, (when, next(self._numbers), record))

    def _consumer(self) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=self._kafka,
            group_id=None,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=100,
            bootstrap_timeout_ms=2000,
        )

    def _producer(self) -> KafkaProducer:
        return KafkaProducer(
            bootstrap_servers=self._kafka, enable_idempotence=False, max_block_ms=2000, bootstrap_timeout_ms=2000
        )
