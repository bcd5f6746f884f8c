"""The gateway's tables: the turn ledger, the labels, its inbox and its outbox."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from shared.storage.journal import Journal

OPEN, ANSWERED, UNANSWERED = "open", "answered", "unanswered"
BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite autoincrements INTEGER alone


class Base(DeclarativeBase):
    """Base of the gateway's tables."""


class TurnRow(Base):
    """One turn: whose it is and how far it got."""

    __tablename__ = "gateway_turn"
    __table_args__ = (
        sa.Index("ix_gateway_turn_conversation", "conversation_id", "opened_at"),
        sa.Index("ix_gateway_turn_user", "user_id", "opened_at"),
        sa.Index("ix_gateway_turn_state", "state", "opened_at"),
    )

    turn_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    conversation_id: Mapped[str] = mapped_column(sa.String(200))
    user_id: Mapped[str] = mapped_column(sa.String(200))  # empty: anonymous
    tenant: Mapped[str] = mapped_column(sa.String(200))
    locale: Mapped[str] = mapped_column(sa.String(100))
    opened_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    accepted: Mapped[bool]  # through a gateway, which drives it until it is answered; else straight from Kafka
    state: Mapped[str] = mapped_column(sa.String(20))
    answered_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))
    latency_ms: Mapped[float | None] = mapped_column(sa.Float)
    drives: Mapped[int]  # how often it was driven again
    closing_at: Mapped[datetime | None] = mapped_column(sa.DateTime(timezone=True))  # giving it up was announced
    opened_by: Mapped[str | None] = mapped_column(sa.String(200))  # the client's event that did; null: a gateway's own


class EventRow(Base):
    """One event of a turn, its body as the codec gave it."""

    __tablename__ = "gateway_event"

    id: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(sa.String(200), unique=True)
    turn_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    topic: Mapped[str] = mapped_column(sa.String(200))
    stage: Mapped[int]  # parley.v1.Stage that wrote it
    seq: Mapped[int]  # stops the turn had made: its place on the road, whatever order it arrived in
    received_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    key_id: Mapped[str] = mapped_column(sa.String(200))
    body: Mapped[bytes]


class ReplyRow(Base):
    """Which replies count. `slot` is "final" for a turn's final reply, so the first one is kept."""

    __tablename__ = "gateway_reply"

    turn_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    slot: Mapped[str] = mapped_column(sa.String(250), primary_key=True)
    kind: Mapped[int]  # parley.v1.ReplyKind
    number: Mapped[int]
    attempt: Mapped[int]
    event_id: Mapped[str] = mapped_column(sa.String(200))  # the event that holds it


class LabelRow(Base):
    """One label, its body as the codec gave it. `number` is the order in which they came."""

    __tablename__ = "gateway_label"
    __table_args__ = (sa.Index("ix_gateway_label_tenant", "tenant", "number"),)

    number: Mapped[int] = mapped_column(BIG, primary_key=True, autoincrement=True)
    label_id: Mapped[str] = mapped_column(sa.String(200), unique=True)
    turn_id: Mapped[str] = mapped_column(sa.String(36))  # empty: an example that stands for itself
    labeller: Mapped[str] = mapped_column(sa.String(200))
    tenant: Mapped[str] = mapped_column(sa.String(200))  # empty: none, or straight from Kafka
    verified: Mapped[bool]  # the labeller is who a token said; else who the label says
    received_at: Mapped[datetime] = mapped_column(sa.DateTime(timezone=True))
    key_id: Mapped[str] = mapped_column(sa.String(200))
    body: Mapped[bytes]


JOURNAL = Journal("gateway", Base.metadata)


def aware(moment: datetime) -> datetime:
    """`moment` with its zone: SQLite gives back naive UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
