"""Conversations and waiting utterances in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from pydantic import TypeAdapter
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from parley.v1 import turn_pb2
from services.dialogue.engine import ConversationState
from shared.errors import TransientError
from shared.events import Event
from shared.storage.journal import Journal
from shared.topology import TOPICS, UNDERSTANDINGS

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite autoincrements INTEGER alone
_STATE = TypeAdapter(ConversationState)


class Base(DeclarativeBase):
    """Base of dialogue's tables."""


class ConversationRow(Base):
    """One conversation. `version` grows with every write, so that of two writers one is told to begin again."""

    __tablename__ = "dialogue_conversation"

    conversation_id: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    version: Mapped[int]
    state: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    # The state's own, repeated where the sweep can find it.
    opened_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True), index=True)


class WaitingRow(Base):
    """One utterance that waits until the turn before it closes: the event as it came."""

    __tablename__ = "dialogue_waiting"
    __table_args__ = (sa.UniqueConstraint("conversation_id", "turn_id"),)

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(sa.String(200))
    turn_id: Mapped[str] = mapped_column(sa.String(36))
    event_id: Mapped[str] = mapped_column(sa.String(200))
    headers: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    turn: Mapped[bytes]
    received_at: Mapped[float]  # Unix seconds


JOURNAL = Journal("dialogue", Base.metadata)


class ConversationChanged(TransientError):
    """Somebody else wrote the conversation between reading and writing; begin again from what is there now."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A conversation as it was read; version 0 where it is not there yet."""

    state: ConversationState
    version: int


# Built once: these run for every event, and building a statement costs more than running it.
_THE_CONVERSATION = ConversationRow.conversation_id == sa.bindparam("conversation")
_LOAD = sa.select(ConversationRow.version, ConversationRow.state).where(_THE_CONVERSATION)
_BEGIN = sa.insert(ConversationRow.__table__)  # type: ignore[arg-type] # a Table
_SAVE = (
    sa.update(ConversationRow.__table__)  # type: ignore[arg-type] # a Table
    .where(_THE_CONVERSATION, ConversationRow.version == sa.bindparam("read_version"))
    .values({name: sa.bindparam(f"new_{name}") for name in ("version", "state", "opened_at")})
    .execution_options(preserve_rowcount=True)
)


def load(session: Session, conversation_id: str) -> Loaded:
    """Read a conversation, or begin one."""
    row = session.connection().execute(_LOAD, {"conversation": conversation_id}).one_or_none()
    if row is None:
        return Loaded(ConversationState(conversation_id), 0)
    return Loaded(_STATE.validate_python(row.state), row.version)


def save(session: Session, loaded: Loaded, state: ConversationState) -> None:
    """Write a conversation that was read as `loaded`; raises ConversationChanged where it is no longer that."""
    values: dict[str, Any] = {"state": _STATE.dump_python(state, mode="json"), "opened_at": state.opened_at}
    connection = session.connection()
    if loaded.version == 0:
        try:
            with session.begin_nested():
                connection.execute(_BEGIN, {"conversation_id": state.conversation_id, "version": 1, **values})
        except IntegrityError as error:
            raise ConversationChanged(f"conversation {state.conversation_id}: begun by another writer") from error
        return
    new = {f"new_{name}": value for name, value in {"version": loaded.version + 1, **values}.items()}
    read = {"conversation": state.conversation_id, "read_version": loaded.version}
    if connection.execute(_SAVE, {**read, **new}).rowcount != 1:
        raise ConversationChanged(f"conversation {state.conversation_id}: version {loaded.version} was overtaken")


def overdue(session: Session, opened_before: datetime, limit: int = 100) -> Sequence[str]:
    """Conversations whose open turn was opened before then; those another replica is at are left out."""
    return session.scalars(
        sa.select(ConversationRow.conversation_id)
        .where(ConversationRow.opened_at < opened_before.astimezone(UTC))
        .order_by(ConversationRow.opened_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def wait(session: Session, event: Event, turn: turn_pb2.Turn) -> None:
    """Put an utterance behind those of its conversation that wait already."""
    session.execute(
        sa.insert(WaitingRow).values(
            conversation_id=turn.conversation_id,
            turn_id=turn.turn_id,
            event_id=event.id,
            headers=dict(event.headers),
            turn=turn.SerializeToString(deterministic=True),
            received_at=event.received_at,
        )
    )


def waiting(session: Session, conversation_id: str) -> Sequence[str]:
    """The turns that wait in a conversation, first come first."""
    return session.scalars(
        sa.select(WaitingRow.turn_id).where(WaitingRow.conversation_id == conversation_id).order_by(WaitingRow.number)
    ).all()


def take_first(session: Session, conversation_id: str) -> Event | None:
    """The first utterance that waits in a conversation, taken out of the queue."""
    row = session.scalars(
        sa.select(WaitingRow)
        .where(WaitingRow.conversation_id == conversation_id)
        .order_by(WaitingRow.number)
        .limit(1)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if row is None:
        return None
    session.delete(row)
    session.flush()
    return Event(
        topic=UNDERSTANDINGS,
        partition=-1,  # its place on the topic is behind it
        offset=-1,
        key=row.conversation_id,
        id=row.event_id,
        type=TOPICS[UNDERSTANDINGS].event_type,
        source=row.headers.get("ce_source", ""),
        time=datetime.fromtimestamp(row.received_at, UTC),
        body=turn_pb2.Turn.FromString(row.turn),
        headers=row.headers,
        received_at=row.received_at,
    )
