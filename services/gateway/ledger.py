"""The turn ledger, written: every event of every turn, and which reply was the final one.

The hot path of the gateway: each event costs one insert for itself and one that makes sure of its turn.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from google.protobuf.message import Message
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from parley.v1 import generation_pb2, principal_pb2, stage_pb2
from services.gateway import metrics
from services.gateway.storage import ANSWERED, OPEN, UNANSWERED, EventRow, ReplyRow, TurnRow, aware
from shared.bus.codec import Codecs
from shared.events import derived_id

_LONGEST_LOCALE = 100
FINAL_SLOT = "final"


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of a turn as it goes into the ledger."""

    turn_id: str
    conversation_id: str
    event_id: str
    topic: str
    stage: stage_pb2.Stage.ValueType
    seq: int  # stops made before it
    body: Message  # Utterance or Turn
    received_at: datetime
    opened_at: datetime  # of the turn, as far as this event knows
    principal: principal_pb2.Principal
    locale: str = ""
    reply: generation_pb2.Reply | None = None  # for events of the reply topic
    accepted: bool = False
    opened_by: str | None = None  # id of the client's event that opens the turn


@dataclass(frozen=True, slots=True)
class Overdue:
    """A turn whose final reply is late."""

    turn_id: str
    accepted: bool
    drives: int
    closing: bool = False  # it was announced that it is given up, long enough ago


def opening_id(turn_id: str) -> str:
    """Ledger id of a turn's first event: the same whether it is seen when accepted or when it comes by Kafka."""
    return derived_id("opened", turn_id)


class _Statements:
    """The inserts, once for each dialect: `ON CONFLICT` is spelt by dialect classes."""

    def __init__(self, insert: Any) -> None:
        self.turn = insert(TurnRow.__table__).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
        self.event = insert(EventRow.__table__).on_conflict_do_nothing()
        self.reply = insert(ReplyRow.__table__).on_conflict_do_nothing().execution_options(preserve_rowcount=True)


# Built once: building a statement costs more than running it.
_THE_TURN = TurnRow.turn_id == sa.bindparam("turn")
_OPENED_AT = sa.select(TurnRow.opened_at).where(_THE_TURN)
_ANSWER = (
    sa.update(TurnRow.__table__)  # type: ignore[arg-type] # a Table
    .where(_THE_TURN)
    .values(state=ANSWERED, answered_at=sa.bindparam("answered"), latency_ms=sa.bindparam("latency"))
)
_STATEMENTS = {"sqlite": _Statements(sqlite.insert), "postgresql": _Statements(postgresql.insert)}


class Ledger:
    """Writes the ledger within the caller's transaction."""

    def __init__(self, codecs: Codecs) -> None:
        self._codecs = codecs

    def open(self, session: Session, entry: Entry) -> bool:
        """Open a turn with its first event; False where a turn of that id is there already."""
        opened = self._ensure_turn(session, entry)
        if opened:
            self._add_event(session, entry)
        return opened

    def record(self, session: Session, entry: Entry) -> None:
        """Write one event; an event written before changes nothing, and only the first final reply ends the turn."""
        self._ensure_turn(session, entry)
        self._add_event(session, entry)
        if entry.reply is not None:
            self._add_reply(session, entry, entry.reply)

    def owner(self, session: Session, conversation_id: str) -> tuple[str, str] | None:
        """(user id, tenant) of a conversation's first turn, or None where it has none yet."""
        row = session.execute(
            sa.select(TurnRow.user_id, TurnRow.tenant)
            .where(TurnRow.conversation_id == conversation_id)
            .order_by(TurnRow.opened_at)
            .limit(1)
        ).first()
        return None if row is None else (row.user_id, row.tenant)

    def overdue(self, session: Session, deadline: timedelta, grace: timedelta, limit: int = 100) -> list[Overdue]:
        """Open turns that have waited longer than `deadline` for each time they were driven, oldest first.

        One that is being given up comes back once `grace` has passed since that was announced.
        """
        now = datetime.now(UTC)
        columns = (TurnRow.turn_id, TurnRow.accepted, TurnRow.drives, TurnRow.opened_at, TurnRow.closing_at)
        rows = session.execute(
            sa.select(*columns)
            .where(TurnRow.state == OPEN, TurnRow.opened_at < now - deadline)
            .order_by(TurnRow.opened_at)
            .limit(limit)
        )
        return [
            Overdue(row.turn_id, row.accepted, row.drives, closing=row.closing_at is not None)
            for row in rows
            if (
                aware(row.opened_at) < now - deadline * (row.drives + 1)
                if row.closing_at is None
                else aware(row.closing_at) <= now - grace
            )
        ]

    def claim_drive(self, session: Session, turn: Overdue) -> bool:
        """Count one more drive; False where another replica was first or the turn is open no more."""
        changed = session.execute(
            sa.update(TurnRow)
            .where(TurnRow.turn_id == turn.turn_id, TurnRow.drives == turn.drives, TurnRow.state == OPEN)
            .values(drives=turn.drives + 1)
            .execution_options(synchronize_session=False)
        )
        return _count(changed) == 1

    def begin_to_close(self, session: Session, turn: Overdue) -> bool:
        """Note that giving it up is announced; False where another replica was first or the turn is open no more."""
        changed = session.execute(
            sa.update(TurnRow)
            .where(TurnRow.turn_id == turn.turn_id, TurnRow.closing_at.is_(None), TurnRow.state == OPEN)
            .values(closing_at=datetime.now(UTC))
            .execution_options(synchronize_session=False)
        )
        return _count(changed) == 1

    def give_up(self, session: Session, turn: Overdue) -> bool:
        """Wait no longer for a final reply; one that comes later still counts. False where the turn is open no more."""
        changed = session.execute(
            sa.update(TurnRow)
            .where(TurnRow.turn_id == turn.turn_id, TurnRow.state == OPEN)
            .values(state=UNANSWERED)
            .execution_options(synchronize_session=False)
        )
        return _count(changed) == 1

    def _ensure_turn(self, session: Session, entry: Entry) -> bool:
        row = {
            "turn_id": entry.turn_id,
            "conversation_id": entry.conversation_id,
            "user_id": entry.principal.user_id,
            "tenant": entry.principal.tenant,
            "locale": entry.locale[:_LONGEST_LOCALE],
            "opened_at": entry.opened_at,
            "accepted": entry.accepted,
            "state": OPEN,
            "drives": 0,
            "opened_by": entry.opened_by,
        }
        return _count(session.execute(_statements(session).turn, row)) == 1

    def _add_event(self, session: Session, entry: Entry) -> None:
        codec = self._codecs.writing
        row = {
            "event_id": entry.event_id,
            "turn_id": entry.turn_id,
            "topic": entry.topic,
            "stage": int(entry.stage),
            "seq": entry.seq,
            "received_at": entry.received_at,
            "key_id": codec.key_id,
            "body": codec.encode(entry.body.SerializeToString(deterministic=True)),
        }
        session.execute(_statements(session).event, row)

    def _add_reply(self, session: Session, entry: Entry, reply: generation_pb2.Reply) -> None:
        row = {
            "turn_id": entry.turn_id,
            "slot": _slot(entry, reply),
            "kind": int(reply.kind),
            "number": reply.number,
            "attempt": reply.attempt,
            "event_id": entry.event_id,
        }
        added = _count(session.execute(_statements(session).reply, row)) == 1
        if added and reply.kind == generation_pb2.REPLY_KIND_FINAL:
            self._answer(session, entry)

    def _answer(self, session: Session, entry: Entry) -> None:
        turn = {"turn": entry.turn_id}
        opened_at = aware(session.execute(_OPENED_AT, turn).scalar_one())
        latency = max(0.0, (entry.received_at - opened_at).total_seconds())
        session.execute(_ANSWER, {**turn, "answered": entry.received_at, "latency": latency * 1000})
        metrics.TURN_SECONDS.observe(latency)


def _slot(entry: Entry, reply: generation_pb2.Reply) -> str:
    if reply.kind == generation_pb2.REPLY_KIND_FINAL:
        return FINAL_SLOT
    if reply.kind == generation_pb2.REPLY_KIND_NOTIFICATION:  # any number of things may come due
        return f"notification:{entry.event_id}"
    return f"{reply.kind}:{reply.attempt}:{reply.number}"


def _statements(session: Session) -> _Statements:
    return _STATEMENTS[session.get_bind().dialect.name]


def _count(result: Any) -> int:
    return int(result.rowcount)
