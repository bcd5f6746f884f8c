"""From a service's effects to the broker: encoding, sending, and the outbox's way out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from shared.bus.codec import Codecs
from shared.bus.envelope import Wire, check, encode, travelling
from shared.bus.producer import Producer, RecordsTooLarge
from shared.errors import TransientError
from shared.events import Outgoing
from shared.runtime import metrics, tracing
from shared.runtime.dead_letters import cut, unsendable
from shared.storage.database import Database
from shared.storage.journal import Journal, Stored

log = structlog.get_logger(__name__)
_SWEEP = 500  # rows read at a time
_AT_ONCE = timedelta(0)


class Publisher:
    """Encodes and sends one service's events."""

    def __init__(self, service: str, producer: Producer, codecs: Codecs) -> None:
        self.service = service
        self._producer = producer
        self._codecs = codecs

    def encode(self, outgoing: Outgoing, *, cause_id: str, inherited: Mapping[str, str]) -> Wire:
        """The record of one event; raises InvalidEvent where its body breaks its contract."""
        check(outgoing.body)
        return encode(outgoing, source=self.service, cause_id=cause_id, inherited=inherited, codecs=self._codecs)

    def send(self, records: Sequence[Wire]) -> None:
        """Send and wait for the acknowledgement; raises Unavailable or RecordsTooLarge."""
        self._producer.send(records)

    def send_dead_letters(self, letters: Sequence[Wire]) -> None:
        """Send dead letters; one the broker will not take goes without its body. Raises Unavailable."""
        try:
            self._producer.send(letters)
        except RecordsTooLarge as error:
            self._producer.send([cut(letters[index]) for index in error.indices])


@dataclass
class OutboxSession:
    """One transaction and what it will send (see `shared.runtime.road_access.RoadSession`)."""

    session: Session
    _outbox: Outbox
    stored: list[Stored] = field(default_factory=list)

    def send(self, outgoing: Outgoing, *, cause_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Put an event into the outbox; it is published once the transaction is committed."""
        inherited = tracing.created(self._outbox.publisher.service, outgoing, headers or {})
        self.stored.append(self._outbox.store(self.session, outgoing, cause_id=cause_id, inherited=inherited))

    def send_wire(self, wire: Wire, *, cause_id: str) -> None:
        """Put a record into the outbox as it is."""
        stored = Stored(0, wire.topic, wire.key, wire.partition, wire.headers, wire.body)
        self.stored.append(self._outbox.journal.publish(self.session, stored, cause_id=cause_id))


class Outbox:
    """One service's outbox: stored with its state, published at once, swept up after a crash.

    What could not be published is sent before anything newer, so a key's events stay in order. At its start an outbox
    takes for granted that the process before it left something behind.
    """

    def __init__(self, database: Database, journal: Journal, publisher: Publisher) -> None:
        self.database = database
        self.journal = journal
        self.publisher = publisher
        self._sent: list[int] = []  # acknowledged, not yet marked in SQL: saves a transaction an event
        self._left_behind = 1  # times that events were left behind ...
        self._caught_up = 0  # ... and how many of these a sweep has made good
        self._lock = threading.Lock()
        self._sweeping = threading.Lock()

    @contextmanager
    def transaction(self) -> Iterator[OutboxSession]:
        """A transaction whose events are published when it is committed.

        A broker that does not answer then is no error: the events are committed and the relay sends them.
        """
        with self.database.transaction() as session:
            outbox_session = OutboxSession(session, self)
            yield outbox_session
        try:
            self.publish(outbox_session.stored)
        except TransientError as error:
            log.warning("left to the relay", service=self.publisher.service, error=str(error))

    def store(self, session: Session, outgoing: Outgoing, *, cause_id: str, inherited: Mapping[str, str]) -> Stored:
        """Write one event into the outbox of this transaction; a cause of its own goes before the one given."""
        if outgoing.cause is not None:
            cause_id = outgoing.cause.id
            inherited = tracing.created(self.publisher.service, outgoing, travelling(outgoing.cause.headers))
        wire = self.publisher.encode(outgoing, cause_id=cause_id, inherited=inherited)
        stored = Stored(0, wire.topic, wire.key, wire.partition, wire.headers, wire.body)
        return self.journal.publish(session, stored, cause_id=cause_id)

    def publish(self, stored: Sequence[Stored]) -> None:
        """Send committed events, after those that were left behind; raises Unavailable."""
        if not stored:
            return
        own = {item.id for item in stored}
        swept = self._sweep(_AT_ONCE, own) if self._is_behind else set()
        self._send([item for item in stored if item.id not in swept])

    def relay(self, older_than: timedelta) -> int:
        """Send what a crash or a lost broker left behind, oldest first; returns how many. Raises Unavailable."""
        return len(self._sweep(_AT_ONCE if self._is_behind else older_than))

    def close(self) -> None:
        """Note what was sent last, or the next process would send it again. Raises Unavailable."""
        with self.marking():
            pass

    @contextmanager
    def marking(self, at_least: int = 1) -> Iterator[Session]:
        """A transaction that also notes in SQL what the broker has, where that is `at_least` so many events."""
        with self._lock:
            sent = self._sent if len(self._sent) >= at_least else []
            if sent:
                self._sent = []
        try:
            with self.database.transaction() as session:
                self.journal.mark_sent(session, sent)
                yield session
        except BaseException:
            with self._lock:
                self._sent[:0] = sent
            raise

    @property
    def _is_behind(self) -> bool:
        return self._left_behind != self._caught_up

    def _sweep(self, older_than: timedelta, own: Set[int] = frozenset()) -> set[int]:
        """Send what is unsent and that old; returns the ids. `own`: those that were never left behind."""
        swept: set[int] = set()
        with self._sweeping:
            left_behind = self._left_behind
            full = True
            while full:
                with self.marking() as session:
                    stored = self.journal.unsent(session, older_than, _SWEEP)
                self._send(stored)
                swept.update(item.id for item in stored)
                full = len(stored) == _SWEEP
            if older_than == _AT_ONCE:
                self._caught_up = left_behind
        if relayed := len(swept - own):
            metrics.OUTBOX_RELAYED.labels(self.publisher.service).inc(relayed)
            log.info("outbox relayed", service=self.publisher.service, events=relayed)
        return swept

    def _send(self, stored: Sequence[Stored]) -> None:
        try:
            self._send_or_bury(stored)
        except TransientError:
            with self._lock:
                self._left_behind += 1
            raise
        with self._lock:
            self._sent.extend(item.id for item in stored)

    def _send_or_bury(self, stored: Sequence[Stored]) -> None:
        """What the broker will never take goes to the dead letters, or it would stand in the way for ever."""
        service = self.publisher.service
        try:
            self.publisher.send(
                [Wire(item.topic, item.key, item.headers, item.body, item.partition) for item in stored]
            )
        except RecordsTooLarge as error:
            refused = [stored[index] for index in error.indices]
            log.error("events not sent", service=service, events=len(refused), error=str(error))
            metrics.DEAD_LETTERS.labels(service, type(error).__name__).inc(len(refused))
            self.publisher.send_dead_letters([unsendable(item, stage=service, error=error) for item in refused])
