"""Drives turns again that have no final reply by their deadline.

The same event is sent with the same id: stages without state work again, stages with state send again what they have
stored, so a turn gets through wherever it was lost and nothing is done twice.
"""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from sqlalchemy.orm import Session

from parley.v1 import turn_pb2
from services.gateway import metrics
from services.gateway.engine import Opening
from services.gateway.ledger import Ledger, Overdue
from services.gateway.ledger_reader import LedgerReader
from services.gateway.settings import GatewaySettings
from services.gateway.storage import JOURNAL
from shared.errors import TransientError, Unavailable
from shared.runtime import tracing
from shared.runtime.road_access import Road
from shared.topology import UTTERANCES

log = structlog.get_logger(__name__)


class Redrive:
    """Looks for overdue turns every quarter of the deadline."""

    def __init__(self, ledger: Ledger, reader: LedgerReader, opening: Opening, settings: GatewaySettings) -> None:
        self._ledger = ledger
        self._reader = reader
        self._opening = opening
        self._deadline = timedelta(seconds=settings.turn_deadline_s)
        self._max_drives = settings.max_drives
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
        """Drive or give up every overdue turn; returns how many were driven. Raises Unavailable."""
        if self._road is None:
            raise Unavailable("gateway: is still starting; try again shortly")
        with self._road.transaction() as road:
            overdue = self._ledger.overdue(road.session, self._deadline)
        return sum(self._drive(self._road, turn) for turn in overdue)

    def _drive(self, road: Road, turn: Overdue) -> bool:
        if not turn.accepted or turn.drives >= self._max_drives:
            self._give_up(road, turn)
            return False
        first = self._reader.news([turn.turn_id])[0]
        spoken = first.topic == UTTERANCES
        outgoing = self._opening.again(
            turn_pb2.Utterance.FromString(first.body) if spoken else first.turn, turn.drives + 1
        )
        with road.transaction() as session:
            if not self._ledger.claim_drive(session.session, turn):
                return False
            session.send(outgoing, cause_id=turn.turn_id, headers=_first_trace(session.session, turn.turn_id))
        metrics.TURNS_DRIVEN_AGAIN.inc()
        log.warning("turn driven again", turn_id=turn.turn_id, attempt=turn.drives + 1)
        return True

    def _give_up(self, road: Road, turn: Overdue) -> None:
        with road.transaction() as session:
            given_up = self._ledger.give_up(session.session, turn)
        if given_up:
            metrics.TURNS_GIVEN_UP.inc()
            log.error("turn without a final reply", turn_id=turn.turn_id, drives=turn.drives)

    def _run(self) -> None:
        while not self._stopping.wait(self._deadline.total_seconds() / 4):
            try:
                self.sweep()
            except TransientError as error:
                log.warning("overdue turns not swept", error=str(error))
            except Exception as error:  # the edge of a thread that must outlive what it stumbles over
                log.error("overdue turns not swept", error=type(error).__name__, exc_info=error)


def _first_trace(session: Session, turn_id: str) -> dict[str, str]:
    """The trace in which the turn was opened, as the outbox remembers it."""
    first = next(iter(JOURNAL.of_cause(session, turn_id)), None)
    return tracing.passed_on(first.headers) if first is not None else {}
