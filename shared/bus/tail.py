"""Following a topic on every replica: all its partitions, from the beginning, outside any group.

For compacted topics that say how things stand. A group would share out the partitions, and what was read before a
restart would never be read again; here each replica knows everything, and nothing is committed.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable

import structlog
from google.protobuf.message import Message
from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, decode
from shared.bus.profile import BrokerProfile
from shared.errors import InvalidEvent

log = structlog.get_logger(__name__)
_EMBEDDED_WAIT_MS = 250  # that broker wakes no fetch, and every shorter wait costs processor time when nothing happens
_AGAIN_AFTER = 1.0  # seconds, where the broker is away or has no such topic yet
_POLL_MS = 500
_STOP_WITHIN = 3.0


class Tail:
    """Hands over each event of `topic`, and each key without a body, from a thread of its own."""

    def __init__(
        self,
        profile: BrokerProfile,
        topic: str,
        on_body: Callable[[str, Message], None],
        on_gone: Callable[[str], None],
        codecs: Codecs | None = None,
    ) -> None:
        """`on_body` gets an event's key and body, `on_gone` the key of a tombstone; both are called in order."""
        self._profile = profile
        self._topic = topic
        self._on_body = on_body
        self._on_gone = on_gone
        self._codecs = codecs or Codecs()
        self._stopping = threading.Event()
        self.caught_up = threading.Event()  # all that the topic held when it was connected to has been handed over
        self._thread = threading.Thread(target=self._follow, name=f"tail-{topic}", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Follow no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_WITHIN)

    def _follow(self) -> None:
        """Until stopped. A broker that was lost is read from its beginning again: nothing it holds is missed."""
        while not self._stopping.is_set():
            try:
                with contextlib.closing(self._connect()) as client:
                    self._read(client)
            except KafkaError as error:
                log.warning("topic cannot be followed", topic=self._topic, error=type(error).__name__)
            self._stopping.wait(_AGAIN_AFTER)

    def _connect(self) -> KafkaConsumer:
        return KafkaConsumer(
            **self._profile.connection,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
            fetch_max_wait_ms=_EMBEDDED_WAIT_MS if self._profile.embedded else self._profile.idle_fetch_wait_ms,
            bootstrap_timeout_ms=3_000,
            metrics_enabled=False,
        )

    def _read(self, client: KafkaConsumer) -> None:
        numbers = client.partitions_for_topic(self._topic)
        if not numbers:
            return
        partitions = [TopicPartition(self._topic, number) for number in sorted(numbers)]
        client.assign(partitions)
        client.seek_to_beginning(*partitions)
        ends = client.end_offsets(partitions)
        while not self._stopping.is_set():
            for batch in client.poll(timeout_ms=_POLL_MS).values():
                for r in batch:
                    self._hand_over(
                        Fetched(r.topic, r.partition, r.offset, r.key, r.headers, r.value, r.timestamp, time.time())
                    )
            if not self.caught_up.is_set() and all(client.position(each) >= end for each, end in ends.items()):
                self.caught_up.set()

    def _hand_over(self, record: Fetched) -> None:
        if record.body is None:
            self._on_gone((record.key or b"").decode(errors="replace"))
            return
        try:
            event = decode(record, self._codecs)
        except InvalidEvent as error:  # the topic is ours alone; whoever wrote this keeps what was known before
            log.warning("event passed over", topic=self._topic, offset=record.offset, field=error.field)
            return
        self._on_body(event.key, event.body)
