"""Taking utterances in: written into the ledger, and only then sent on."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from parley.v1 import principal_pb2, stage_pb2, turn_pb2
from services.gateway import metrics
from services.gateway.engine import Opening
from services.gateway.ledger import Entry, Ledger, opening_id
from services.gateway.storage import TurnRow
from shared.bus.envelope import REPLY_PARTITION_HEADER
from shared.errors import InvalidInput, Unavailable
from shared.events import Outgoing
from shared.runtime.road_access import Road, RoadSession

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Accepted:
    """An utterance that is in the ledger."""

    turn_id: str
    conversation_id: str
    resent: bool = False  # it was there already; nothing was sent


class Reception:
    """Accepts utterances, once it is attached to the road."""

    def __init__(self, ledger: Ledger, opening: Opening) -> None:
        self._ledger = ledger
        self._opening = opening
        self._road: Road | None = None

    def attach(self, road: Road) -> None:
        """Receive the way onto the road."""
        self._road = road

    def accept(
        self, given: turn_pb2.Utterance, principal: principal_pb2.Principal, *, trace: Mapping[str, str] | None = None
    ) -> Accepted:
        """Take one utterance in for `principal`; it is in the ledger when this returns.

        An utterance whose turn id the same user has sent before is taken as sent again: nothing happens, and the answer
        is that turn. `trace`: headers of the trace it belongs to. Raises InvalidBody, InvalidInput or Unavailable.
        """
        received_at = time.time()
        if self._road is None:
            raise Unavailable("gateway: is still starting; try again shortly")
        utterance = self._opening.complete(given, principal)
        outgoing = self._opening.event(utterance, received_at)
        headers = _headers(self._road, trace or {})
        with self._road.transaction() as road:
            self._check_owner(road, utterance)
            earlier = self._open(road, utterance, outgoing, received_at)
            if earlier is None:
                road.send(outgoing, cause_id=utterance.turn_id, headers=headers)
        if earlier is not None:
            return earlier
        content = utterance.WhichOneof("content") or ""
        metrics.TURNS_ACCEPTED.labels(content).inc()
        log.debug("utterance accepted", turn_id=utterance.turn_id, content=content)
        return Accepted(utterance.turn_id, utterance.conversation_id)

    def _open(
        self, road: RoadSession, utterance: turn_pb2.Utterance, outgoing: Outgoing, received_at: float
    ) -> Accepted | None:
        """Write the turn into the ledger; where the same user has done so before, what was answered then."""
        moment = datetime.fromtimestamp(received_at, UTC)
        entry = Entry(
            turn_id=utterance.turn_id,
            conversation_id=utterance.conversation_id,
            event_id=opening_id(utterance.turn_id),
            topic=outgoing.topic,
            stage=stage_pb2.STAGE_GATEWAY,
            seq=0,
            body=outgoing.body,
            received_at=moment,
            opened_at=moment,
            principal=utterance.principal,
            locale=utterance.locale,
            accepted=True,
        )
        if self._ledger.open(road.session, entry):
            return None
        earlier = road.session.get_one(TurnRow, utterance.turn_id)
        if (earlier.user_id, earlier.tenant) != (utterance.principal.user_id, utterance.principal.tenant):
            raise InvalidInput("turn_id", utterance.turn_id, "is taken; leave it empty and one is made")
        return Accepted(earlier.turn_id, earlier.conversation_id, resent=True)

    def _check_owner(self, road: RoadSession, utterance: turn_pb2.Utterance) -> None:
        """A conversation belongs to the user of its first turn; an anonymous one to whoever knows its id."""
        if utterance.conversation_id == utterance.turn_id:
            return
        owner = self._ledger.owner(road.session, utterance.conversation_id)
        mine = (utterance.principal.user_id, utterance.principal.tenant)
        if owner is not None and owner[0] and owner != mine:
            raise InvalidInput(
                "conversation_id",
                utterance.conversation_id,
                "belongs to another user; leave it empty to begin a new one",
            )


def _headers(road: Road, trace: Mapping[str, str]) -> dict[str, str]:
    headers = dict(trace)
    partition = road.reply_partition()
    if partition is not None:
        headers[REPLY_PARTITION_HEADER] = str(partition)
    return headers
