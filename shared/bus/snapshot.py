"""Reading a topic once, from its beginning to its end, outside any group."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from shared.bus.envelope import Fetched
from shared.bus.profile import BrokerProfile
from shared.errors import NotFound, Unavailable

_LINGER = 0.3  # seconds to read on at the end, for what was being written when the reading began
_PATIENCE = 10.0  # seconds without progress before the end after which the broker is given up
_POLL_MS = 100


def read_all(profile: BrokerProfile, topic: str) -> Iterator[Fetched]:
    """Every record of `topic` that was there when the reading began, in order by partition.

    The end is where fetches say it is: an embedded broker's own answer about latest offsets is wrong after batches.
    Raises Unavailable where the broker is silent before the end is reached, NotFound where it has no such topic.
    """
    with contextlib.closing(_connect(profile)) as client:
        try:
            yield from _read(client, topic)
        except KafkaError as error:
            raise Unavailable(f"kafka: cannot read {topic}: {type(error).__name__}: {error}") from error


def _connect(profile: BrokerProfile) -> KafkaConsumer:
    try:
        return KafkaConsumer(
            **profile.connection,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",  # where retention overtakes the reading
            allow_auto_create_topics=False,
            fetch_max_wait_ms=profile.fetch_wait_ms,
            bootstrap_timeout_ms=3_000,
            metrics_enabled=False,
        )
    except KafkaError as error:
        raise Unavailable(
            f"kafka.bootstrap_servers: no broker answers at {', '.join(profile.bootstrap_servers)}; start `parley up`"
        ) from error


def _read(client: KafkaConsumer, topic: str) -> Iterator[Fetched]:
    numbers = client.partitions_for_topic(topic)
    if not numbers:
        raise NotFound(f"topic: {topic!r} is not on this broker; `parley up` creates it, or name another broker")
    partitions = [TopicPartition(topic, number) for number in sorted(numbers)]
    client.assign(partitions)
    client.seek_to_beginning(*partitions)
    progress = time.monotonic()
    ended: float | None = None
    while ended is None or time.monotonic() - ended < _LINGER:
        batches = client.poll(timeout_ms=_POLL_MS)
        for batch in batches.values():
            for r in batch:
                yield Fetched(r.topic, r.partition, r.offset, r.key, r.headers, r.value, r.timestamp, time.time())
        now = time.monotonic()
        if batches:
            progress = now
        if ended is None and all(_at_end(client, partition) for partition in partitions):
            ended = now
        if ended is None and now - progress > _PATIENCE:
            raise Unavailable(
                f"kafka: {topic} cannot be read to its end; see whether the broker is well, and try again"
            )


def _at_end(client: KafkaConsumer, partition: TopicPartition) -> bool:
    highwater: int | None = client.highwater(partition)
    return highwater is not None and bool(client.position(partition, timeout_ms=1_000) >= highwater)
