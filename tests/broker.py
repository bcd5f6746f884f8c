"""A broker for tests: the embedded one, or the Kafka that PARLEY_TEST_KAFKA names (host:port,...).

On the embedded broker each test has a broker of its own: it starts in a blink and holds nothing. On a Kafka that is
shared, a test begins at the ends of the topics and uses groups of its own.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import pytest
from kafka import KafkaConsumer, KafkaProducer
from kafka.structs import OffsetAndMetadata, TopicPartition

from shared.bus.embedded import EmbeddedBroker
from shared.bus.envelope import Fetched
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.bus.snapshot import read_all
from shared.bus.topics import ensure_topics
from shared.settings import KafkaSettings
from shared.topology import TOPICS

Item = TypeVar("Item")
PATIENCE = 30.0  # seconds a test waits for what must come; it hardly ever takes so long


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class TestBroker:
    """A broker with the declared topics, and plain kafka-python beside our own bus to look at it."""

    __test__ = False  # for pytest: no test case

    kafka: KafkaSettings
    embedded: EmbeddedBroker | None = None
    starts: Mapping[TopicPartition, int] = field(default_factory=dict)

    @property
    def profile(self) -> BrokerProfile:
        """How our clients speak to it."""
        return BrokerProfile.of(self.kafka)

    def prepare(self) -> None:
        """Create the topics and remember where they end."""
        ensure_topics(self.profile, self.kafka)
        if self.embedded is None:
            with contextlib.closing(self._consumer()) as consumer:
                self.starts = consumer.end_offsets(_partitions(consumer, list(TOPICS)))

    def begin_here(self, group: str) -> None:
        """Let a group begin where this test began, not with what others left on a shared Kafka."""
        if self.starts:
            with contextlib.closing(self._consumer(group)) as consumer:
                consumer.commit({place: OffsetAndMetadata(start, "", -1) for place, start in self.starts.items()})

    @contextmanager
    def producer(self) -> Iterator[Producer]:
        """Our producer."""
        producer = Producer(self.profile)
        try:
            yield producer
        finally:
            producer.close()

    def publish(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> tuple[int, int]:
        """Send one record by plain kafka-python, as a client would; returns its partition and offset."""
        producer = KafkaProducer(bootstrap_servers=list(self.profile.bootstrap_servers), enable_idempotence=False)
        try:
            future = producer.send(topic, value=value, key=key, headers=list(headers), partition=partition)
            sent = future.get(timeout=PATIENCE)
        finally:
            producer.close()
        return sent.partition, sent.offset

    def read(
        self, topic: str, count: int = 1, *, until: Callable[[list[Fetched]], bool] | None = None
    ) -> list[Fetched]:
        """The records of a topic since the test began, once there are `count`, or `until` holds."""
        enough = until or (lambda records: len(records) >= count)
        records: list[Fetched] = []
        deadline = time.monotonic() + PATIENCE
        with contextlib.closing(self._consumer()) as consumer:
            eventually(lambda: consumer.partitions_for_topic(topic), f"{topic} is there")
            consumer.assign(_partitions(consumer, [topic]))
            for place in consumer.assignment():
                consumer.seek(place, self.starts.get(place, 0))
            while not enough(records):
                assert time.monotonic() < deadline, f"{topic}: still waiting, with {len(records)} records"
                for batch in consumer.poll(timeout_ms=100).values():
                    records.extend(
                        Fetched(r.topic, r.partition, r.offset, r.key, r.headers, r.value, r.timestamp, time.time())
                        for r in batch
                    )
        return records

    def everything(self, topic: str) -> list[Fetched]:
        """All that a topic holds since the test began."""
        return [
            record
            for record in read_all(self.profile, topic)
            if record.offset >= self.starts.get(TopicPartition(topic, record.partition), 0)
        ]

    def _consumer(self, group: str | None = None) -> KafkaConsumer:
        return KafkaConsumer(
            bootstrap_servers=list(self.profile.bootstrap_servers),
            group_id=group,
            enable_auto_commit=False,
            fetch_max_wait_ms=10,
            allow_auto_create_topics=False,
        )


class Mailbox(Generic[Item]):
    """What came, in order, from any thread; tests wait for it instead of sleeping."""

    def __init__(self) -> None:
        self._items: list[Item] = []
        self._changed = threading.Condition()

    def put(self, item: Item) -> None:
        """Something came."""
        with self._changed:
            self._items.append(item)
            self._changed.notify_all()

    def items(self) -> list[Item]:
        """What has come so far."""
        with self._changed:
            return list(self._items)

    def wait(
        self, count: int = 1, *, until: Callable[[list[Item]], bool] | None = None, patience: float = PATIENCE
    ) -> list[Item]:
        """What has come, once there are `count` items, or `until` holds."""
        enough = until or (lambda items: len(items) >= count)
        with self._changed:
            came = self._changed.wait_for(lambda: enough(self._items), patience)
            assert came, f"still waiting, with {len(self._items)} items"
            return list(self._items)


def eventually(holds: Callable[[], object], what: str) -> None:
    """Wait until `holds` returns something true."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"still waiting until {what}"
        time.sleep(0.02)


@contextmanager
def own_broker(**settings: object) -> Iterator[TestBroker]:
    """An embedded broker of a test's own, without topics yet."""
    embedded = EmbeddedBroker(free_port())
    embedded.start()
    try:
        # The first join of a group takes half of the session's timeout.
        fields = {"embedded_port": embedded.port, "session_timeout_ms": 1500, **settings}
        yield TestBroker(KafkaSettings.load(group_prefix=_prefix(), bootstrap_servers="", **fields), embedded)
    finally:
        embedded.stop()


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[TestBroker]:
    """One broker for the whole session, with its topics: for tests that read only what they write."""
    servers = os.environ.get("PARLEY_TEST_KAFKA")
    if servers:
        yield _elsewhere(servers)
        return
    with own_broker() as broker:
        broker.prepare()
        yield broker


@pytest.fixture
def broker() -> Iterator[TestBroker]:
    """A broker that holds the declared topics and, as far as the test can see, nothing else."""
    servers = os.environ.get("PARLEY_TEST_KAFKA")
    if servers:
        yield _elsewhere(servers)
        return
    with own_broker() as broker:
        broker.prepare()
        yield broker


def _elsewhere(servers: str) -> TestBroker:
    broker = TestBroker(KafkaSettings.load(group_prefix=_prefix(), bootstrap_servers=servers))
    broker.prepare()
    return broker


def _prefix() -> str:
    return f"test-{uuid.uuid4().hex[:12]}"


def _partitions(consumer: KafkaConsumer, topics: Sequence[str]) -> list[TopicPartition]:
    return [
        TopicPartition(topic, number)
        for topic in topics
        for number in sorted(consumer.partitions_for_topic(topic) or ())
    ]
