"""The turn ledger, read: turns, their events in the order of the road, and who may see them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from parley.v1 import principal_pb2, stage_pb2, turn_pb2
from services.gateway.ledger import FINAL_SLOT
from services.gateway.storage import ANSWERED, OPEN, EventRow, ReplyRow, TurnRow, aware
from shared.bus.codec import Codecs
from shared.errors import NotFound
from shared.runtime.road import open_turn
from shared.storage.database import Database
from shared.topology import UTTERANCES

# Built once: building a statement costs more than running it.
_IS_ANSWERED = sa.select(TurnRow.turn_id).where(TurnRow.turn_id == sa.bindparam("turn"), TurnRow.state == ANSWERED)


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks, and whether they may see all turns of their tenant."""

    principal: principal_pb2.Principal
    operator: bool = False

    def may_see(self, turn: LedgerTurn) -> bool:
        """A turn is its user's; an anonymous one is anybody's who knows its id."""
        mine = (turn.user_id, turn.tenant) == (self.principal.user_id, self.principal.tenant)
        return not turn.user_id or mine or (self.operator and turn.tenant == self.principal.tenant)


@dataclass(frozen=True, slots=True)
class LedgerTurn:
    """What the ledger says of one turn as a whole."""

    turn_id: str
    conversation_id: str
    user_id: str
    tenant: str
    opened_at: datetime
    state: str
    answered_at: datetime | None
    latency_ms: float | None
    drives: int


@dataclass(frozen=True)
class LedgerEvent:
    """One event of a turn."""

    id: int
    event_id: str
    turn_id: str
    conversation_id: str
    topic: str
    stage: stage_pb2.Stage.ValueType
    seq: int
    received_at: datetime
    reply_slot: str | None  # None: no reply, or one that does not count
    body: bytes

    @property
    def is_final(self) -> bool:
        """Whether it holds the turn's final reply."""
        return self.reply_slot == FINAL_SLOT

    @cached_property
    def turn(self) -> turn_pb2.Turn:
        """The turn as it was then."""
        if self.topic == UTTERANCES:
            return open_turn(turn_pb2.Utterance.FromString(self.body), self.turn_id, self.conversation_id)
        return turn_pb2.Turn.FromString(self.body)


@dataclass(frozen=True, slots=True)
class LedgerRecord:
    """All that is known of one turn; `events` in the order of the road, never empty."""

    turn: LedgerTurn
    events: Sequence[LedgerEvent]

    @property
    def current(self) -> turn_pb2.Turn:
        """The turn as its final reply left it, else as the farthest stage did."""
        return next((event for event in self.events if event.is_final), self.events[-1]).turn

    @property
    def replies(self) -> list[LedgerEvent]:
        """The replies that count, as they came: what fires later may have made fewer stops."""
        counted = (event for event in self.events if event.reply_slot is not None)
        return sorted(counted, key=lambda event: event.received_at)


class LedgerReader:
    """Reads the ledger; each method in a snapshot of its own."""

    def __init__(self, database: Database, codecs: Codecs) -> None:
        self._database = database
        self._codecs = codecs

    def turn(self, turn_id: str, viewer: Viewer) -> LedgerTurn:
        """One turn; raises NotFound where there is none or it is somebody else's."""
        with self._database.reading() as session:
            row = session.execute(sa.select(TurnRow).where(TurnRow.turn_id == turn_id)).scalar_one_or_none()
        if row is None or not viewer.may_see(turn := _ledger_turn(row)):
            raise NotFound(f"turn_id: {turn_id!r} names no turn of yours; check the id and the token")
        return turn

    def is_answered(self, turn_id: str) -> bool:
        """Whether a turn has its final reply: what somebody asks again and again who waits for nothing else."""
        with self._database.reading() as session:
            return session.connection().execute(_IS_ANSWERED, {"turn": turn_id}).first() is not None

    def open_turns(self, most: int) -> int:
        """How many turns have no final reply, counted up to `most`."""
        some = sa.select(TurnRow.turn_id).where(TurnRow.state == OPEN).limit(most).subquery()
        with self._database.reading() as session:
            return int(session.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())

    def record(self, turn: LedgerTurn) -> LedgerRecord:
        """A turn with its events, as they are now."""
        return LedgerRecord(turn, self.news([turn.turn_id]))

    def news(self, turn_ids: Collection[str], known: Collection[int] = ()) -> list[LedgerEvent]:
        """Events of these turns but those with a `known` id, in the order of the road."""
        wanted = sa.and_(EventRow.turn_id.in_(turn_ids), EventRow.id.not_in(known))
        return self._events(wanted)

    def turns(self, viewer: Viewer, conversation_id: str, limit: int) -> list[LedgerRecord]:
        """The newest turns the viewer may see, newest first, each with its farthest event alone.

        Without a conversation: the viewer's own, or for operators all of their tenant.
        """
        query = sa.select(TurnRow).order_by(TurnRow.opened_at.desc()).limit(limit)
        me = viewer.principal
        if conversation_id:
            query = query.where(TurnRow.conversation_id == conversation_id)
        elif not viewer.operator:
            query = query.where(TurnRow.user_id == me.user_id, TurnRow.user_id != "")
        if not viewer.operator:
            query = query.where(TurnRow.user_id.in_(("", me.user_id)))
        query = query.where(sa.or_(TurnRow.tenant == me.tenant, TurnRow.user_id == ""))
        with self._database.reading() as session:
            turns = [_ledger_turn(row) for row in session.execute(query).scalars()]
        farthest = self._farthest([turn.turn_id for turn in turns])
        return [LedgerRecord(turn, [farthest[turn.turn_id]]) for turn in turns if turn.turn_id in farthest]

    def answers(self) -> bool:
        """Whether the database can be read; raises Unavailable."""
        with self._database.reading() as session:
            return bool(session.execute(sa.select(sa.literal(1))).scalar_one())

    def _farthest(self, turn_ids: Collection[str]) -> dict[str, LedgerEvent]:
        best: dict[str, tuple[bool, int, int]] = {}  # first without bodies: the first event may hold a recording
        with self._database.reading() as session:
            for row in session.execute(
                sa.select(EventRow.turn_id, EventRow.id, EventRow.seq, ReplyRow.slot)
                .outerjoin(ReplyRow, _same_event())
                .where(EventRow.turn_id.in_(turn_ids))
            ):
                place = (row.slot == FINAL_SLOT, row.seq, row.id)
                best[row.turn_id] = max(best.get(row.turn_id, place), place)
        chosen = self._events(EventRow.id.in_([place[2] for place in best.values()]))
        return {event.turn_id: event for event in chosen}

    def _events(self, wanted: sa.ColumnElement[bool]) -> list[LedgerEvent]:
        query = (
            sa.select(*EventRow.__table__.columns, TurnRow.conversation_id, ReplyRow.slot)
            .join(TurnRow, TurnRow.turn_id == EventRow.turn_id)
            .outerjoin(ReplyRow, _same_event())
            .where(wanted)
            .order_by(EventRow.seq, EventRow.id)
        )
        with self._database.reading() as session:
            rows = session.execute(query).all()
        return [self._event(row) for row in rows]

    def _event(self, row: Any) -> LedgerEvent:
        codec = self._codecs.reader(row.key_id)
        if codec is None:
            raise NotFound(f"turn_id: {row.turn_id!r} was erased; its words are gone for good")
        return LedgerEvent(
            id=row.id,
            event_id=row.event_id,
            turn_id=row.turn_id,
            conversation_id=row.conversation_id,
            topic=row.topic,
            stage=stage_pb2.Stage.ValueType(row.stage),
            seq=row.seq,
            received_at=aware(row.received_at),
            reply_slot=row.slot,
            body=codec.decode(row.body),
        )


def _same_event() -> sa.ColumnElement[bool]:
    return sa.and_(ReplyRow.turn_id == EventRow.turn_id, ReplyRow.event_id == EventRow.event_id)


def _ledger_turn(row: TurnRow) -> LedgerTurn:
    return LedgerTurn(
        turn_id=row.turn_id,
        conversation_id=row.conversation_id,
        user_id=row.user_id,
        tenant=row.tenant,
        opened_at=aware(row.opened_at),
        state=row.state,
        answered_at=aware(row.answered_at) if row.answered_at else None,
        latency_ms=row.latency_ms,
        drives=row.drives,
    )
