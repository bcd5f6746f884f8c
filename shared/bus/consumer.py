"""Receiving: one consumer of a group, its assignment, its offsets, and how long a fetch may wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import structlog
from kafka import KafkaConsumer
from kafka.consumer.subscription_state import AsyncConsumerRebalanceListener
from kafka.errors import KafkaError
from kafka.future import Future
from kafka.structs import OffsetAndMetadata, TopicPartition

from shared.bus.envelope import Fetched
from shared.bus.profile import BrokerProfile
from shared.errors import Unavailable

log = structlog.get_logger(__name__)
_QUIET_AFTER = 2.0  # seconds without an event until fetches wait long

Partition = tuple[str, int]


class Consumer:
    """One member of a consumer group. For one thread alone.

    `on_assigned`, `on_revoked` and `on_lost` are called while `poll` waits, from other threads: with the partitions
    won; with those to hand over, whose offsets can still be committed while it runs; with those others have already.
    """

    def __init__(
        self,
        profile: BrokerProfile,
        group: str,
        topics: Sequence[str],
        *,
        on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition]], None],
        on_lost: Callable[[Sequence[Partition]], None],
    ) -> None:
        self._profile = profile
        self.group = group
        self._last_event = 0.0
        self._commit_failed = False
        self._wait_ms = profile.fetch_wait_ms
        try:
            self._client = KafkaConsumer(
                **profile.connection,
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                fetch_max_wait_ms=profile.fetch_wait_ms,
                session_timeout_ms=profile.session_timeout_ms,
                heartbeat_interval_ms=max(300, profile.session_timeout_ms // 6),
                max_poll_records=200,
                metadata_max_age_ms=10_000,
                bootstrap_timeout_ms=5_000,
                metrics_enabled=False,
            )
            if profile.embedded:
                _say_goodbye_at_rest_alone(self._client, group)
            listener = _Listener(self._client, on_assigned, on_revoked, on_lost)
            self._client.subscribe(list(topics), listener=listener)
        except KafkaError as error:
            raise Unavailable(
                f"kafka.bootstrap_servers: no broker answers at {', '.join(profile.bootstrap_servers)}"
            ) from error

    def poll(self, timeout_ms: int) -> list[Fetched]:
        """What has come, in order by partition; raises Unavailable where the broker is lost."""
        self._unpark()
        try:
            records = self._client.poll(timeout_ms=timeout_ms)
        except KafkaError as error:
            raise Unavailable(f"kafka: cannot fetch: {type(error).__name__}: {error}") from error
        now = time.time()
        fetched = [
            Fetched(r.topic, r.partition, r.offset, r.key, r.headers, r.value, r.timestamp, now)
            for partition in records.values()
            for r in partition
        ]
        self._adapt(bool(fetched))
        return fetched

    def _unpark(self) -> None:
        """Let kafka-python take up what it set aside while a partition was paused.

        3.0.12 does so only while its slot for the partition at hand is None, and leaves the last partition there when
        it is through with it; a resumed partition then waits for ever, and is not fetched either.
        """
        fetcher = self._client._fetcher
        if fetcher._paused_partition_records and not fetcher._next_partition_records:
            fetcher._next_partition_records = None

    def assignment(self) -> set[Partition]:
        """Partitions this member reads now."""
        return {(partition.topic, partition.partition) for partition in self._client.assignment()}

    def pause(self, partitions: Iterable[Partition]) -> None:
        """Fetch no more from these until resumed."""
        self._client.pause(*(TopicPartition(*partition) for partition in partitions))

    def resume(self, partitions: Iterable[Partition]) -> None:
        """Fetch from these again."""
        self._client.resume(*(TopicPartition(*partition) for partition in partitions))

    def commit(self, offsets: Mapping[Partition, int], *, wait: bool = False) -> None:
        """Commit the offsets to read next; a failure is logged, for the events would only be seen again.

        Without `wait` the failure shows later, in `commit_failed`.
        """
        if not offsets:
            return
        commits = {
            TopicPartition(*partition): OffsetAndMetadata(offset, "", -1) for partition, offset in offsets.items()
        }
        try:
            if wait:
                self._client.commit(commits, timeout_ms=2000)
            else:
                self._client.commit_async(commits, callback=self._on_committed)
        except KafkaError as error:
            self._on_committed(commits, error)

    def commit_failed(self) -> bool:
        """True where a commit failed since this was last asked: what it said must be said again."""
        failed, self._commit_failed = self._commit_failed, False
        return failed

    def lag(self) -> dict[str, int]:
        """Events on the broker and not yet fetched, by topic: from fetches' high-water marks, as all brokers tell."""
        lag: dict[str, int] = {}
        for partition in self._client.assignment():
            highwater = self._client.highwater(partition)
            position = None if highwater is None else self._position(partition)
            if position is not None:
                lag[partition.topic] = lag.get(partition.topic, 0) + max(0, highwater - position)
        return lag

    def close(self) -> None:
        """Leave the group at once, so that others need not wait for the session to end."""
        try:
            self._client.close(autocommit=False, timeout_ms=2000)
        except (KafkaError, OSError) as error:  # the broker is gone, and so is the group
            log.info("consumer closed without goodbye", group=self.group, error=type(error).__name__)

    def _on_committed(self, _offsets: object, response: object) -> None:
        if isinstance(response, Exception):
            self._commit_failed = True
            log.warning("offsets not committed", group=self.group, error=type(response).__name__)

    def _position(self, partition: TopicPartition) -> int | None:
        try:
            position: int | None = self._client.position(partition, timeout_ms=100)
        except KafkaError:  # not known yet
            return None
        return position

    def _adapt(self, busy: bool) -> None:
        """Wait short while events flow, long when idle (see `BrokerProfile`)."""
        now = time.monotonic()
        if busy:
            self._last_event = now
        quiet = now - self._last_event > _QUIET_AFTER
        wait_ms = self._profile.idle_fetch_wait_ms if quiet else self._profile.fetch_wait_ms
        if wait_ms != self._wait_ms:
            self._wait_ms = wait_ms
            # kafka-python reads it anew for every fetch; it has no public way to change it.
            self._client._fetcher.config["fetch_max_wait_ms"] = wait_ms


def _say_goodbye_at_rest_alone(client: KafkaConsumer, group: str) -> None:
    """Have `client` leave without a word where its group is about to share out partitions anew.

    The embedded broker (Tansu 0.6.0) keeps a leader that says goodbye then: nobody after it is elected, and no new
    member gets a partition ever again. One whose session ends it replaces.
    """
    coordinator = client._coordinator
    leave = coordinator.maybe_leave_group_async

    async def leave_at_rest(*args: Any, **options: Any) -> None:
        try:
            await coordinator._send_heartbeat_request()
        except KafkaError as error:
            log.info("left without goodbye", group=group, error=type(error).__name__)
        else:
            await leave(*args, **options)

    coordinator.maybe_leave_group_async = leave_at_rest


class _Listener(AsyncConsumerRebalanceListener):  # type: ignore[misc]
    """Called on the client's I/O thread, which sends heartbeats and commits: what takes time is done elsewhere."""

    def __init__(
        self,
        client: KafkaConsumer,
        on_assigned: Callable[[Sequence[Partition]], None],
        on_revoked: Callable[[Sequence[Partition]], None],
        on_lost: Callable[[Sequence[Partition]], None],
    ) -> None:
        self._client = client
        self._on_assigned = on_assigned
        self._on_revoked = on_revoked
        self._on_lost = on_lost

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        self._on_assigned(_partitions(assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._elsewhere(partial(self._on_revoked, _partitions(revoked)))
        # kafka-python would go on where it was in a partition that comes back to this member, past what was handed out
        # and left undone; forgotten, it is read from what is committed.
        self._client._subscription.assign_from_subscribed([])

    async def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        await self._elsewhere(partial(self._on_lost, _partitions(lost)))

    async def _elsewhere(self, call: Callable[[], None]) -> None:
        done = Future()
        failures: list[Exception] = []

        async def end() -> None:
            if failures:
                done.failure(failures[0])
            else:
                done.success(None)

        def run() -> None:
            try:
                call()
            except Exception as error:  # noqa: BLE001 - handed to the client, which raises it from `poll`
                failures.append(error)
            self._client._net.call_soon_threadsafe(end)

        threading.Thread(target=run, name="rebalance", daemon=True).start()
        await done


def _partitions(places: Iterable[TopicPartition]) -> list[Partition]:
    return [(place.topic, place.partition) for place in places]
