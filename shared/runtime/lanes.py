"""Lanes: where a service's events are handled, in order by key, off the polling thread."""

from __future__ import annotations

import queue
import random
import threading
import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from shared.bus.envelope import Fetched, Wire, travelling
from shared.errors import ParleyError, TransientError, Unavailable
from shared.events import Event
from shared.runtime import metrics
from shared.runtime.dead_letters import dead_letter
from shared.runtime.handling import DEAD_LETTERED, HANDLED, LEFT, SEEN, Handling
from shared.runtime.offsets import PartitionProgress
from shared.runtime.publisher import Outbox, Publisher
from shared.runtime.service import Handler, Service, StatefulHandler
from shared.storage.journal import Stored

log = structlog.get_logger(__name__)
_FIRST_BACKOFF = 0.05  # seconds
_LONGEST_BACKOFF = 5.0
_LARGEST_BATCH = 64
_MARK_AT_LEAST = 64  # acknowledged events; the relay marks fewer every two seconds
_GLANCE = 0.1  # seconds between looks at whether work that waits for another attempt is still ours


@dataclass(frozen=True, slots=True)
class Work:
    """One event for one service, and what to tell when it is done."""

    event: Event
    record: Fetched
    progress: PartitionProgress
    handling: Handling


class Lanes(Protocol):
    """Handles the work of one service."""

    def put(self, work: Work) -> None: ...

    @property
    def waiting(self) -> int: ...

    def stop(self) -> None:
        """Take up nothing more; what is left goes to another replica."""

    def join(self, timeout: float) -> None:
        """Wait until what was taken up is finished, `timeout` seconds at most."""


class _Retry:
    """Capped exponential backoff with jitter, cut short when the lane stops or the work is no longer its own."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self.attempts = 1

    def wait(self, service: str, error: Exception, batch: Sequence[Work]) -> bool:
        """Wait before the next attempt; False where the work is left to another replica."""
        longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2 ** min(self.attempts, 10))
        metrics.RETRIES.labels(service, type(error).__name__).inc()
        log.warning("trying again", service=service, attempts=self.attempts, error=str(error))
        self.attempts += 1
        for work in batch:
            work.handling.retried(error)
        until = time.monotonic() + longest * random.uniform(0.5, 1.0)
        while (left := until - time.monotonic()) > 0:
            if self._stopping.wait(min(left, _GLANCE)) or all(work.progress.closed for work in batch):
                for work in batch:
                    work.handling.settled(LEFT)
                return False
        return True


class StatelessLanes:
    """A thread a lane; a key always has the same lane. Results are acknowledged before the next event of the lane."""

    def __init__(self, service: Service, handler: Handler, publisher: Publisher) -> None:
        self._service = service.name
        self._handler = handler
        self._publisher = publisher
        self._stopping = threading.Event()
        self._queues: list[queue.SimpleQueue[Work | None]] = [queue.SimpleQueue() for _ in range(service.lanes)]
        self._threads = [
            threading.Thread(target=self._serve, args=(lane,), name=f"{service.name}-lane-{number}", daemon=True)
            for number, lane in enumerate(self._queues)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Events not yet taken up."""
        return sum(lane.qsize() for lane in self._queues)

    def put(self, work: Work) -> None:
        """Queue one event behind those of its key."""
        self._queues[zlib.crc32(work.event.key.encode()) % len(self._queues)].put(work)

    def stop(self) -> None:
        """Finish what is being handled; leave the rest to another replica."""
        self._stopping.set()
        for lane in self._queues:
            lane.put(None)

    def join(self, timeout: float) -> None:
        """Wait until what was taken up is finished."""
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(timeout=max(0.0, deadline - time.monotonic()))

    def _serve(self, lane: queue.SimpleQueue[Work | None]) -> None:
        while (work := lane.get()) is not None:
            if self._stopping.is_set() or not work.progress.begin():
                continue
            try:
                with work.handling:
                    if self._finish(work):
                        work.progress.done(work.record.offset)
            except Exception as error:  # the edge of the lane: the thread lives on, the event is read again later
                work.handling.settled(LEFT, error)
                log.error("lane failed", service=self._service, exc_info=error)
            finally:
                work.handling.end()
                work.progress.end()

    def _finish(self, work: Work) -> bool:
        """Handle one event until its results, or its dead letter, are durable; False where the lane stops before."""
        metrics.WAIT_SECONDS.labels(self._service).observe(max(0.0, time.time() - work.event.received_at))
        retry = _Retry(self._stopping)
        while True:
            try:
                self._attempt(work, retry.attempts)
            except TransientError as error:
                if not retry.wait(self._service, error, [work]):
                    return False
            else:
                return True

    def _attempt(self, work: Work, attempts: int) -> None:
        event = work.event
        started = time.perf_counter()
        try:
            outgoing = self._handler.handle(event)
            work.handling.sent(outgoing)
            inherited = work.handling.inherited(travelling(event.headers))
            records = [self._publisher.encode(item, cause_id=event.id, inherited=inherited) for item in outgoing]
            metrics.HANDLE_SECONDS.labels(self._service).observe(time.perf_counter() - started)
            self._publisher.send(records)
        except TransientError:
            raise
        except Exception as error:  # noqa: BLE001 - the edge of the consumer: whatever a handler raises is given up here
            self._publisher.send_dead_letters([give_up(work, self._service, error, attempts)])
        else:
            work.handling.settled(HANDLED)
            metrics.EVENTS.labels(self._service, event.topic, HANDLED).inc()


class StatefulLane:
    """One thread; events that wait together share one transaction with the service's state, inbox and outbox."""

    def __init__(self, service: Service, handler: StatefulHandler, outbox: Outbox) -> None:
        self._service = service.name
        self._handler = handler
        self._linger = service.linger
        self._urgent = service.urgent
        self._outbox = outbox
        self._stopping = threading.Event()
        self._queue: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=f"{service.name}-lane", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Events not yet taken up."""
        return self._queue.qsize()

    def put(self, work: Work) -> None:
        """Queue one event."""
        self._queue.put(work)

    def stop(self) -> None:
        """Finish the transaction at hand; leave the rest to another replica."""
        self._stopping.set()
        self._queue.put(None)

    def join(self, timeout: float) -> None:
        """Wait until the transaction at hand is finished."""
        self._thread.join(timeout=timeout)

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = self._gather(first)
            if self._stopping.is_set():
                continue
            begun = [work for work in batch if work.progress.begin()]
            now = time.time()
            for work in begun:
                metrics.WAIT_SECONDS.labels(self._service).observe(max(0.0, now - work.event.received_at))
            try:
                self._finish(begun)
            except Exception as error:  # the edge of the lane: the thread lives on, the events are read again later
                for work in begun:
                    work.handling.settled(LEFT, error)
                log.error("lane failed", service=self._service, exc_info=error)
            finally:
                for work in begun:
                    work.handling.end()
                    work.progress.end()

    def _gather(self, first: Work) -> list[Work]:
        """`first` and what waits with it: what is there already, and what comes while nothing urgent is among it."""
        batch = [first]
        deadline = time.monotonic() + self._linger
        hurried = first.event.topic in self._urgent
        while len(batch) < _LARGEST_BATCH:
            patience = 0.0 if hurried else deadline - time.monotonic()
            try:
                following = self._queue.get(timeout=patience) if patience > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)
                break
            batch.append(following)
            hurried = hurried or following.event.topic in self._urgent
        return batch

    def _finish(self, batch: Sequence[Work]) -> None:
        """Handle a batch until its effects are committed and published, or the lane stops."""
        retry = _Retry(self._stopping)
        stored: list[Stored] | None = None
        letters: list[Wire] = []
        while batch:
            try:
                if stored is None:
                    stored, letters = self._commit(batch, retry.attempts)
                self._outbox.publish(stored)
                self._outbox.publisher.send_dead_letters(letters)
            except TransientError as error:
                if not retry.wait(self._service, error, batch):
                    return
                if stored is None:  # what was taken away meanwhile is its next reader's
                    batch = [work for work in batch if not work.progress.closed]
            else:
                for work in batch:
                    work.progress.done(work.record.offset)
                return

    def _commit(self, batch: Sequence[Work], attempts: int) -> tuple[list[Stored], list[Wire]]:
        """One transaction: effects of the events not seen before, stored results of those seen, and dead letters."""
        journal = self._outbox.journal
        stored: list[Stored] = []
        letters: list[Wire] = []
        outcomes: list[tuple[Work, str]] = []
        with self._outbox.marking(_MARK_AT_LEAST) as session:
            seen: set[str] = set()  # in this transaction; those of earlier ones are known by their inbox rows
            for work in batch:
                event = work.event
                try:
                    with work.handling:
                        effects = None if event.id in seen else self._effects(session, work)
                except TransientError:
                    raise
                except Exception as error:
                    if not _blames_the_event(error):
                        raise Unavailable(f"{self._service}: {type(error).__name__}: {error}") from error
                    with work.handling:
                        letters.append(give_up(work, self._service, error, attempts))
                    continue
                stored.extend(journal.of_cause(session, event.id) if effects is None else effects)
                outcomes.append((work, SEEN if effects is None else HANDLED))
                seen.add(event.id)
        for work, outcome in outcomes:
            work.handling.settled(outcome)
            metrics.EVENTS.labels(self._service, work.event.topic, outcome).inc()
        return stored, letters

    def _effects(self, session: Session, work: Work) -> list[Stored] | None:
        """What an event sends; all its effects or none are in the transaction. None: it was seen meanwhile."""
        event = work.event
        started = time.perf_counter()
        inherited = work.handling.inherited(travelling(event.headers))
        with session.begin_nested():
            if not self._outbox.journal.record(session, event.id):
                return None
            effects = self._handler.handle(event, session)
            work.handling.sent(effects)
            stored = [
                self._outbox.store(session, outgoing, cause_id=event.id, inherited=inherited) for outgoing in effects
            ]
        metrics.HANDLE_SECONDS.labels(self._service).observe(time.perf_counter() - started)
        return stored


def give_up(work: Work, service: str, error: Exception, attempts: int) -> Wire:
    """The dead letter of one event, counted and logged; the error's text names fields, not the user's words."""
    expected = isinstance(error, ParleyError)
    work.handling.settled(DEAD_LETTERED, error)
    metrics.DEAD_LETTERS.labels(service, type(error).__name__).inc()
    metrics.EVENTS.labels(service, work.event.topic, DEAD_LETTERED).inc()
    log.error(
        "event given up",
        service=service,
        topic=work.record.topic,
        partition=work.record.partition,
        offset=work.record.offset,
        error=type(error).__name__,
        detail=str(error) if expected else "",
        exc_info=None if expected else error,
    )
    return dead_letter(work.record, stage=service, error=error, attempts=attempts)


def _blames_the_event(error: Exception) -> bool:
    """True where trying again would fail again; a database that fails in the middle is not the event's fault."""
    if isinstance(error, PoolTimeoutError):
        return False
    return not isinstance(error, (OperationalError, InterfaceError, InternalError))
