"""Drives turns again that have no final reply by their deadline, and at last answers them with an apology.

What is sent again is the event itself, with its id: stages without state work again, stages with state send again what
they have stored, so a turn gets through wherever it was lost and nothing is done twice. The first drive begins behind
the last finished stage, the next one at the beginning, and so on in turn: what one cannot bring back the other does.

A turn is given up in two steps: first generation is told to send no final reply for it any more, and after a grace, in
which one that was already under way may still arrive, the apology is sent.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from parley.v1 import stage_pb2, turn_pb2
from services.gateway import metrics
from services.gateway.apology import Unanswered, apology, entry_of
from services.gateway.engine import Opening
from services.gateway.ledger import Ledger, Overdue
from services.gateway.ledger_reader import LedgerEvent, LedgerReader
from services.gateway.settings import GatewaySettings
from services.gateway.storage import JOURNAL, TurnRow
from services.gateway.waiters import Waiters
from shared.bus.codec import Codecs
from shared.bus.envelope import REPLY_PARTITION_HEADER, Wire, sent_before
from shared.errors import TransientError, Unavailable
from shared.events import Outgoing
from shared.runtime import tracing
from shared.runtime.dead_letters import abandoned
from shared.runtime.road_access import Road
from shared.topology import GIVEN_UP, REPLIES, UTTERANCES

log = structlog.get_logger(__name__)
_SHORTEST = timedelta(seconds=1)  # between two looks


class Redrive:
    """Looks for overdue turns every quarter of the deadline, or as often as the grace of one that is given up."""

    def __init__(
        self,
        ledger: Ledger,
        reader: LedgerReader,
        opening: Opening,
        waiters: Waiters,
        codecs: Codecs,
        settings: GatewaySettings,
    ) -> None:
        self._ledger = ledger
        self._reader = reader
        self._opening = opening
        self._waiters = waiters
        self._codecs = codecs
        self._deadline = timedelta(seconds=settings.turn_deadline_s)
        self._max_drives = settings.max_drives
        self._grace = timedelta(seconds=settings.give_up_grace_s)
        self._road: Road | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="gateway-redrive", daemon=True)

    def attach(self, road: Road) -> None:
        """Receive the way onto the road."""
        self._road = road

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def sweep(self) -> int:
        """Drive or answer every overdue turn; returns how many were driven. Raises Unavailable."""
        if self._road is None:
            raise Unavailable("gateway: is still starting; try again shortly")
        with self._road.transaction() as road:
            overdue = self._ledger.overdue(road.session, self._deadline, self._grace)
        return sum(self._drive(self._road, turn) for turn in overdue)

    def _drive(self, road: Road, turn: Overdue) -> bool:
        events = self._reader.news([turn.turn_id])
        if turn.closing:
            self._give_up(road, turn, events)
            return False
        if turn.drives >= self._max_drives:
            self._announce(road, turn, events[0].conversation_id)
            return False
        latest = _latest(events)
        with road.transaction() as session:
            if not self._ledger.claim_drive(session.session, turn):
                return False
            trace = _first_trace(session.session, turn.turn_id)
            opened_by = session.session.get_one(TurnRow, turn.turn_id).opened_by
            if latest.seq > 0 and (turn.drives % 2 == 0 or not (turn.accepted or opened_by)):
                session.send_wire(self._again(latest, road, trace), cause_id=f"drive:{turn.turn_id}")
            elif turn.accepted:
                session.send(self._opened_again(events[0], turn), cause_id=turn.turn_id, headers=trace)
            else:
                wire = self._again(events[0], road, trace, opened_by)
                session.send_wire(wire, cause_id=f"drive:{turn.turn_id}")
        metrics.TURNS_DRIVEN_AGAIN.inc()
        log.warning("turn driven again", turn_id=turn.turn_id, attempt=turn.drives + 1, topic=latest.topic)
        return True

    def _opened_again(self, first: LedgerEvent, turn: Overdue) -> Outgoing:
        """The event by which this gateway has opened the turn."""
        spoken = first.topic == UTTERANCES
        return self._opening.again(turn_pb2.Utterance.FromString(first.body) if spoken else first.turn, turn.drives + 1)

    def _again(self, event: LedgerEvent, road: Road, trace: dict[str, str], event_id: str | None = None) -> Wire:
        """An event of the road as it was; one of a client's goes without a seal, as it came."""
        headers = dict(trace)
        partition = road.reply_partition()
        if partition is not None:
            headers[REPLY_PARTITION_HEADER] = str(partition)
        return sent_before(
            topic=event.topic,
            key=event.conversation_id,
            event_id=event_id or event.event_id,
            service=_service_of(event.stage),
            time=event.received_at,
            body=event.body,
            headers=headers,
            codecs=self._codecs,
        )

    def _announce(self, road: Road, turn: Overdue, conversation_id: str) -> None:
        """Tell generation that this turn's final reply will be the gateway's."""
        given_up = turn_pb2.GivenUp(turn_id=turn.turn_id, conversation_id=conversation_id)
        with road.transaction() as session:
            if self._ledger.begin_to_close(session.session, turn):
                trace = _first_trace(session.session, turn.turn_id)
                outgoing = Outgoing(GIVEN_UP, conversation_id, given_up)
                session.send(outgoing, cause_id=turn.turn_id, headers=trace)

    def _give_up(self, road: Road, turn: Overdue, events: list[LedgerEvent]) -> None:
        """Answer with an apology, in the ledger at once, and leave a dead letter that can be redriven."""
        latest = _latest(events)
        outgoing = apology(latest.turn, turn.drives)
        error = Unanswered(f"turn_id: {turn.turn_id} has no final reply after {turn.drives} drives")
        with road.transaction() as session:
            if not self._ledger.give_up(session.session, turn):
                return
            trace = _first_trace(session.session, turn.turn_id)
            self._ledger.record(session.session, entry_of(outgoing, accepted=turn.accepted))
            self._waiters.wake_after_commit(session.session, turn.turn_id)
            session.send(outgoing, cause_id=turn.turn_id, headers=trace)
            letter = abandoned(self._again(latest, road, trace), stage="gateway", error=error, attempts=turn.drives + 1)
            session.send_wire(letter, cause_id=f"unanswered:{turn.turn_id}")
        metrics.TURNS_GIVEN_UP.inc()
        log.error("turn without a final reply", turn_id=turn.turn_id, drives=turn.drives, topic=latest.topic)

    def _run(self) -> None:
        while not self._stopping.wait(min(self._deadline / 4, max(self._grace, _SHORTEST)).total_seconds()):
            try:
                self.sweep()
            except TransientError as error:
                log.warning("overdue turns not swept", error=str(error))
            except Exception as error:  # the edge of a thread that must outlive what it stumbles over
                log.error("overdue turns not swept", error=type(error).__name__, exc_info=error)


def _latest(events: list[LedgerEvent]) -> LedgerEvent:
    """The event behind the last finished stage; what is said on the way ends no turn."""
    return next((event for event in reversed(events) if event.topic != REPLIES), events[0])


def _service_of(stage: stage_pb2.Stage.ValueType) -> str:
    return stage_pb2.Stage.Name(stage).removeprefix("STAGE_").lower()


def _first_trace(session: Session, turn_id: str) -> dict[str, str]:
    """The trace in which the turn was opened, as the outbox remembers it."""
    first = next(iter(JOURNAL.of_cause(session, turn_id)), None)
    return tracing.passed_on(first.headers) if first is not None else {}
