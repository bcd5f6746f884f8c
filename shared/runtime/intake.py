"""The intake: one thread that polls, reads, hands out, holds back and commits. No work is done on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from shared.bus.codec import Codecs
from shared.bus.consumer import Consumer, Partition
from shared.bus.envelope import TRACE_HEADERS, Fetched, decode
from shared.bus.profile import BrokerProfile
from shared.errors import InvalidEvent, ParleyError
from shared.events import Event
from shared.runtime import metrics, tracing
from shared.runtime.dead_letters import dead_letter
from shared.runtime.handling import Handling, refused
from shared.runtime.lanes import Lanes, Work
from shared.runtime.offsets import PartitionProgress
from shared.runtime.publisher import Publisher
from shared.runtime.service import Service

log = structlog.get_logger(__name__)
_HOLD_BACK = 256  # outstanding events of a partition at which fetching pauses
_COMMIT_EVERY = 0.2  # seconds
_LAG_EVERY = 5.0
_POLL_MS = 100
_FIRST_BACKOFF = 0.2  # seconds
_LONGEST_BACKOFF = 5.0


class Intake:
    """Feeds the lanes of the hosted services from one consumer (few consumers keep an embedded broker's idle cost low).

    `rebuild` is called, with backoff, before each attempt to connect: it makes sure that the topics exist. `renew` is
    called where an embedded broker may have restarted empty: a producer that knew the old one would spin.
    """

    def __init__(
        self,
        profile: BrokerProfile,
        group: str,
        services: Sequence[Service],
        lanes: Mapping[str, Lanes],
        publisher: Publisher,
        codecs: Codecs,
        rebuild: Callable[[], object],
        renew: Callable[[], None],
    ) -> None:
        self._profile = profile
        self._group = group
        self._lanes = lanes
        self._publisher = publisher
        self._codecs = codecs
        self._rebuild = rebuild
        self._renew = renew
        self._reassigned = False
        self._ever_assigned = False
        self._readers: dict[str, list[Service]] = {}
        for service in services:
            for topic in {*service.subscriptions, *service.always_reads}:
                self._readers.setdefault(topic, []).append(service)
        self._progress: dict[Partition, PartitionProgress] = {}
        self._paused: set[Partition] = set()
        self._backoff = _FIRST_BACKOFF
        self.problem = ""  # why nothing is assigned, where that is known
        self._stopping = threading.Event()
        self._assigned = threading.Event()
        self._thread = threading.Thread(target=self._run, name="intake", daemon=True)

    def start(self) -> None:
        """Begin to poll."""
        if self._readers:
            self._thread.start()
        else:
            self._assigned.set()

    def stop(self, timeout: float = 6.0) -> None:
        """Stop polling; what is being handled is finished and committed first (`Host.stop` has stopped the lanes)."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=timeout)

    @property
    def assigned(self) -> bool:
        """True while partitions are assigned."""
        return self._assigned.is_set()

    def partitions(self, topic: str) -> list[int]:
        """Partitions of a topic that this process reads."""
        return sorted(number for name, number in list(self._progress) if name == topic)

    def stop_taking(self) -> None:
        """Hand nothing more to the lanes."""
        for progress in list(self._progress.values()):
            progress.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            consumer = None
            try:
                self._rebuild()
                consumer = Consumer(
                    self._profile,
                    self._group,
                    sorted(self._readers),
                    on_assigned=self._on_assigned,
                    on_revoked=lambda leaving: self._let_go(leaving, consumer),  # noqa: B023 - the loop's consumer
                    on_lost=self._let_go,
                )
                self._poll_until_lost(consumer)
            except ParleyError as error:
                self.problem = str(error)
                log.warning("intake put off", group=self._group, error=str(error), retry_in_s=self._backoff)
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}"
                log.error("intake failed", group=self._group, error=type(error).__name__, exc_info=error)
            finally:
                self._lose_everything()
                if consumer is not None:
                    consumer.close()
            self._stopping.wait(self._backoff)
            self._backoff = min(_LONGEST_BACKOFF, self._backoff * 2)

    def _poll_until_lost(self, consumer: Consumer) -> None:
        committed = measured = assigned = time.monotonic()
        while not self._stopping.is_set():
            for record in consumer.poll(_POLL_MS):
                self._hand_out(record)
            self._hold_back(consumer)
            if self._reassigned and self._profile.embedded:
                self._reassigned = False
                self._rebuild()
                self._renew()
            now = time.monotonic()
            if now - committed > _COMMIT_EVERY:
                consumer.commit(self._committable(again=consumer.commit_failed()))
                committed = now
            if now - measured > _LAG_EVERY:
                self._measure(consumer)
                measured = now
            if consumer.assignment():
                assigned = now
            elif now - assigned > 2 * self._profile.session_timeout_ms / 1000:
                # A broker that restarted empty has forgotten the topics; where none is missing this changes nothing.
                if self._rebuild():
                    return
                assigned = now
        consumer.commit(self._committable(again=True), wait=True)

    def take_ahead(self, record: Fetched) -> None:
        """Hand out a record that this process has sent and the broker has acknowledged, without waiting for its fetch.

        For the threads that send. What cannot be handed out now (it is not ours, not the next of its partition, or too
        much is outstanding) is left to the fetch, which brings every record and passes over those handed out.
        """
        progress = self._progress.get((record.topic, record.partition))
        if progress is None or progress.closed:
            return
        try:
            event = decode(record, self._codecs)
        except InvalidEvent:  # refused when it is fetched
            return
        takers = self._takers(event)
        with progress.handing:
            if progress.taken_ahead(record.offset, len(takers), _HOLD_BACK):
                self._put(event, record, progress, takers)

    def _hand_out(self, record: Fetched) -> None:
        place = (record.topic, record.partition)
        progress = self._progress.get(place)
        if progress is None or progress.passed_over(record.offset):  # taken away meanwhile, or handed out already
            return
        try:
            event = decode(record, self._codecs)
        except InvalidEvent as error:
            self._refuse(record, progress, error)
            return
        takers = self._takers(event)
        with progress.handing:
            if not progress.passed_over(record.offset):
                progress.fetched(record.offset, len(takers))
                self._put(event, record, progress, takers)

    def _takers(self, event: Event) -> list[Service]:
        return [service for service in self._readers[event.topic] if _is_for(service, event)]

    def _put(self, event: Event, record: Fetched, progress: PartitionProgress, takers: Sequence[Service]) -> None:
        for service in takers:
            self._lanes[service.name].put(Work(event, record, progress, Handling(service.name, event)))

    def _refuse(self, record: Fetched, progress: PartitionProgress, error: InvalidEvent) -> None:
        """An event nobody can read: to the dead letters, by whoever reads the topic for its work."""
        owners = [
            service.name
            for service in self._readers[record.topic]
            if not service.observes or record.topic in service.answers_for
        ]
        if owners:
            trace = {
                name.lower(): (value or b"").decode("latin-1")
                for name, value in record.headers
                if name.lower() in TRACE_HEADERS
            }
            refused(owners[0], record.topic, record.partition, record.offset, trace, error)
            metrics.DEAD_LETTERS.labels(owners[0], type(error).__name__).inc()
            log.error(
                "event refused",
                topic=record.topic,
                partition=record.partition,
                offset=record.offset,
                trace_id=tracing.trace_id_of(trace),
                detail=str(error),
            )
            self._publisher.send_dead_letters([dead_letter(record, stage=owners[0], error=error, attempts=1)])
        progress.fetched(record.offset, 0)

    def _hold_back(self, consumer: Consumer) -> None:
        """Back-pressure: a partition with too much outstanding is not fetched from; a slow stage makes lag."""
        full = {place for place, progress in self._progress.items() if progress.outstanding >= _HOLD_BACK}
        eased = {
            place
            for place in self._paused
            if place in self._progress and self._progress[place].outstanding < _HOLD_BACK // 2
        }
        if full - self._paused:
            consumer.pause(full - self._paused)
        if eased:
            consumer.resume(eased)
        self._paused = (self._paused | full) - eased

    def _committable(self, *, again: bool) -> dict[Partition, int]:
        positions = {place: progress.to_commit(again=again) for place, progress in self._progress.items()}
        return {place: position for place, position in positions.items() if position is not None}

    def _measure(self, consumer: Consumer) -> None:
        lag = consumer.lag()
        for topic in self._readers:  # also those of which nothing is assigned any more: their lag is others' to tell
            metrics.CONSUMER_LAG.labels(self._group, topic).set(lag.get(topic, 0))
        for name, lanes in self._lanes.items():
            metrics.LANES_WAITING.labels(name).set(lanes.waiting)

    def _on_assigned(self, won: Sequence[Partition]) -> None:
        self._reassigned = self._ever_assigned
        self._ever_assigned = True
        for place in won:
            if place in self._progress:  # won anew without word that it was lost: reading starts at what is committed
                self._progress[place].close()
            self._progress[place] = PartitionProgress()
        if self._progress:
            self._backoff = _FIRST_BACKOFF
            self.problem = ""
            self._assigned.set()
        log.info("partitions assigned", group=self._group, count=len(self._progress))

    def _let_go(self, lost: Sequence[Partition], consumer: Consumer | None = None) -> None:
        """Let what is being handled finish, commit it where that is possible, leave the rest to the next reader."""
        leaving = {place: self._progress[place] for place in lost if place in self._progress}
        for progress in leaving.values():
            progress.close()
        deadline = time.monotonic() + 3
        while any(progress.running for progress in leaving.values()) and time.monotonic() < deadline:
            time.sleep(0.01)
        if consumer is not None:
            offsets = {place: progress.to_commit(again=True) for place, progress in leaving.items()}
            consumer.commit({place: offset for place, offset in offsets.items() if offset is not None}, wait=True)
        for place in leaving:
            self._progress.pop(place, None)
            self._paused.discard(place)
        if not self._progress:
            self._assigned.clear()

    def _lose_everything(self) -> None:
        for progress in self._progress.values():
            progress.close()
        self._progress.clear()
        self._paused.clear()
        self._assigned.clear()


def _is_for(service: Service, event: Event) -> bool:
    """Whether a service handles an event: its slip says so, or the service reads everything of the topic."""
    if service.reads_everything or event.topic in service.always_reads:
        return True
    route = getattr(event.body, "route", None)
    return route is None or bool(route.next and route.next[0] == service.stage)
