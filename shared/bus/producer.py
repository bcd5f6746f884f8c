"""Sending: records in, acknowledgements out, in order by key."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from kafka import KafkaProducer
from kafka.errors import KafkaError, MessageSizeTooLargeError
from kafka.producer.future import FutureRecordMetadata

from shared.bus.envelope import Fetched, Wire
from shared.bus.profile import BrokerProfile
from shared.errors import PermanentError, Unavailable

log = structlog.get_logger(__name__)
_ACK_TIMEOUT = 10.0  # seconds
_CLOSE_TIMEOUT = 5.0
_ASK_AGAIN_AFTER = 1.0  # a broker that did not answer is asked again by one thread, not by each that waits to send


class RecordsTooLarge(PermanentError):
    """Some records are larger than the broker takes; all the others are acknowledged. `indices`: which ones."""

    def __init__(self, indices: Sequence[int], error: Exception) -> None:
        super().__init__(f"event: too large for the broker ({error}); send a claim check")
        self.indices = tuple(indices)


@dataclass(eq=False, slots=True)
class _Lease:
    """A client and who is using it: a client that is renewed is closed once its last user is done."""

    client: KafkaProducer
    users: int = 0
    retired: bool = False


class Producer:
    """Sends records and waits for all replicas' acknowledgement. Safe to use from several threads.

    After a failure the client is rebuilt on the next send: a broker that lost its memory forgets producers and topics.
    """

    def __init__(self, profile: BrokerProfile, acknowledged: Callable[[Fetched], None] | None = None) -> None:
        """`acknowledged` is told of each record that the broker has, by the thread that sent it."""
        self._profile = profile
        self._acknowledged = acknowledged
        self._lease: _Lease | None = None
        self._unanswered_at = -_ASK_AGAIN_AFTER
        self._closed = False
        self._lock = threading.Lock()

    def send(self, records: Sequence[Wire]) -> None:
        """Send `records` in order and wait until the broker has them.

        Raises Unavailable (try again later; what was sent may be sent twice, with the same ids) or RecordsTooLarge.
        """
        if not records:
            return
        lease = self._take()
        try:
            self._send(lease.client, records)
        except (KafkaError, ValueError) as error:  # ValueError: the topic is gone, and so it has no partitions
            self._retire(lease)
            raise Unavailable(f"kafka: not acknowledged: {type(error).__name__}") from error
        finally:
            self._give_back(lease)

    def renew(self) -> None:
        """Use a new client from the next send on; what the old one holds is still sent."""
        with self._lock:
            lease = self._lease
        if lease is not None:
            self._retire(lease)

    def close(self, timeout: float = 3.0) -> None:
        """Send what is buffered and close; nothing can be sent any more."""
        with self._lock:
            self._closed = True
            lease, self._lease = self._lease, None
        if lease is not None:
            _close(lease.client, timeout)

    def _send(self, client: KafkaProducer, records: Sequence[Wire]) -> None:
        started: list[tuple[int, FutureRecordMetadata]] = []
        refused: list[tuple[int, Exception]] = []
        for index, record in enumerate(records):
            try:
                started.append((index, self._start(client, record)))
            except MessageSizeTooLargeError as error:
                refused.append((index, error))
        for index, future in started:
            try:
                metadata = future.get(timeout=_ACK_TIMEOUT)
            except MessageSizeTooLargeError as error:
                refused.append((index, error))
            else:
                if self._acknowledged is not None:
                    self._acknowledged(_as_fetched(records[index], metadata))
        if refused:
            raise RecordsTooLarge([index for index, _ in refused], refused[0][1])

    def _start(self, client: KafkaProducer, record: Wire) -> FutureRecordMetadata:
        partition = record.partition
        if partition is not None and partition not in (client.partitions_for(record.topic) or ()):
            partition = None  # a client asked for a partition that does not exist: the key decides
        return client.send(
            record.topic, key=_key(record), value=record.body, headers=_headers(record), partition=partition
        )

    def _take(self) -> _Lease:
        with self._lock:
            if self._closed:
                raise Unavailable("kafka: this process is stopping")
            if self._lease is None:
                self._lease = _Lease(self._connected())
            self._lease.users += 1
            return self._lease

    def _connected(self) -> KafkaProducer:
        silent = f"kafka: no broker answers at {', '.join(self._profile.bootstrap_servers)}"
        if time.monotonic() - self._unanswered_at < _ASK_AGAIN_AFTER:
            raise Unavailable(silent)
        try:
            return self._connect()
        except KafkaError as error:
            self._unanswered_at = time.monotonic()
            raise Unavailable(silent) from error

    def _connect(self) -> KafkaProducer:
        return KafkaProducer(
            **self._profile.connection,
            acks="all",
            linger_ms=0,
            enable_idempotence=self._profile.idempotent_producer,
            # One request in flight keeps order through a retry where idempotence does not.
            max_in_flight_requests_per_connection=5 if self._profile.idempotent_producer else 1,
            bootstrap_timeout_ms=2000,
            max_block_ms=2000,
            request_timeout_ms=5000,
            delivery_timeout_ms=8000,
            max_request_size=8 * 1024 * 1024,
            allow_auto_create_topics=False,
        )

    def _retire(self, lease: _Lease) -> None:
        with self._lock:
            if self._lease is lease:
                self._lease = None
                log.info("producer renewed")
            lease.retired = True
            lease.users += 1
        self._give_back(lease)

    def _give_back(self, lease: _Lease) -> None:
        with self._lock:
            lease.users -= 1
            unused = lease.retired and lease.users == 0
        if unused:  # nobody need wait for it
            threading.Thread(target=_close, args=(lease.client, _CLOSE_TIMEOUT), daemon=True).start()


def _key(record: Wire) -> bytes:
    return record.key.encode("utf-8", "surrogateescape")


def _headers(record: Wire) -> list[tuple[str, bytes]]:
    return [(name, value.encode("utf-8", "surrogateescape")) for name, value in record.headers.items()]


def _as_fetched(record: Wire, metadata: Any) -> Fetched:
    """What a fetch will bring of a record that the broker has taken (`metadata`: kafka-python's RecordMetadata)."""
    return Fetched(
        record.topic,
        metadata.partition,
        metadata.offset,
        _key(record),
        _headers(record),
        record.body,
        metadata.timestamp,
        time.time(),
    )


def _close(client: KafkaProducer, timeout: float) -> None:
    try:
        client.close(timeout=timeout)
    except KafkaError:
        # Something was still unsent, and its network thread would retry for ever; nobody waits for that any more.
        client._sender.force_close()
