"""Inbox and outbox of one service: what makes at-least-once delivery exactly-once in effect.

The inbox remembers the events whose effects are committed. The outbox holds what those effects send, written in the
same transaction, so a crash after the commit loses nothing and a crash before it sends nothing. An event seen again
changes no state; its stored outbox rows are sent again. Pattern: Richardson, "Transactional outbox".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite autoincrements INTEGER alone


@dataclass(frozen=True, slots=True)
class Stored:
    """One event of the outbox: the coded bytes exactly as they go on the wire."""

    id: int
    topic: str
    key: str
    partition: int | None
    headers: Mapping[str, str]
    body: bytes


def inbox_columns() -> list[sa.Column[Any]]:
    """Columns of an inbox table."""
    return [
        sa.Column("event_id", sa.String(200), primary_key=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False, index=True),
    ]


def outbox_columns() -> list[sa.Column[Any]]:
    """Columns of an outbox table."""
    return [
        sa.Column("id", _BIG, primary_key=True, autoincrement=True),
        sa.Column("cause_id", sa.String(200), nullable=False, index=True),
        sa.Column("topic", sa.String(200), nullable=False),
        sa.Column("key", sa.String(300), nullable=False),
        sa.Column("partition", sa.Integer, nullable=True),
        sa.Column("headers", sa.JSON, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True, index=True),
    ]


def create_journal(op: Any, service: str) -> None:
    """Create both tables from an Alembic migration (`op` is alembic.op)."""
    for name, columns in ((f"{service}_inbox", inbox_columns()), (f"{service}_outbox", outbox_columns())):
        indexed = [column.name for column in columns if column.index]
        for column in columns:
            column.index = None
        op.create_table(name, *columns)
        for column_name in indexed:
            op.create_index(f"ix_{name}_{column_name}", name, [column_name])


def drop_journal(op: Any, service: str) -> None:
    """Undo `create_journal`."""
    op.drop_table(f"{service}_outbox")
    op.drop_table(f"{service}_inbox")


class Journal:
    """The inbox and the outbox of `service`, in that service's database."""

    def __init__(self, service: str, metadata: sa.MetaData) -> None:
        self.service = service
        self.inbox = sa.Table(f"{service}_inbox", metadata, *inbox_columns())
        self.outbox = sa.Table(f"{service}_outbox", metadata, *outbox_columns())
        # Built once: both run for every event, and building a statement costs more than SQLite takes to run it.
        self._recording = {
            name: insert(self.inbox).on_conflict_do_nothing().returning(self.inbox.c.event_id)
            for name, insert in (("postgresql", postgresql.insert), ("sqlite", sqlite.insert))
        }
        self._storing = self.outbox.insert().returning(self.outbox.c.id)
        sent = self.outbox.update().where(self.outbox.c.id == sa.bindparam("sent_id"))
        self._marking = sent.values(sent_at=sa.bindparam("at"))

    def seen(self, session: Session, event_ids: Sequence[str]) -> set[str]:
        """Those of `event_ids` whose effects are already committed."""
        rows = session.execute(sa.select(self.inbox.c.event_id).where(self.inbox.c.event_id.in_(event_ids)))
        return {row.event_id for row in rows}

    def record(self, session: Session, event_id: str) -> bool:
        """Remember that the effects of an event are in this transaction.

        False where they are in another replica's, which had the partition before: this waits until that one is over.
        """
        row = {"event_id": event_id, "received_at": datetime.now(UTC)}
        connection = session.connection()
        recorded = connection.execute(self._recording[connection.dialect.name], row)
        return recorded.first() is not None

    def publish(self, session: Session, stored: Stored, *, cause_id: str) -> Stored:
        """Put one event into the outbox of this transaction; returns it with its id."""
        row = {
            "cause_id": cause_id,
            "topic": stored.topic,
            "key": stored.key,
            "partition": stored.partition,
            "headers": dict(stored.headers),
            "body": stored.body,
            "created_at": datetime.now(UTC),
        }
        result = session.connection().execute(self._storing, row)
        return Stored(result.scalar_one(), stored.topic, stored.key, stored.partition, stored.headers, stored.body)

    def of_cause(self, session: Session, cause_id: str) -> list[Stored]:
        """What an event sent when it was first handled, in order."""
        return self._select(session, self.outbox.c.cause_id == cause_id)

    def unsent(self, session: Session, older_than: timedelta, limit: int = 500) -> list[Stored]:
        """Events a crash left behind, in order: committed before now minus `older_than` and not known to be sent."""
        before = datetime.now(UTC) - older_than
        return self._select(session, self.outbox.c.sent_at.is_(None) & (self.outbox.c.created_at < before), limit)

    def oldest_unsent(self, session: Session) -> datetime | None:
        """When the oldest event not known to be sent was committed; None where all are."""
        waiting = self.outbox.c.sent_at.is_(None)
        created: datetime | None = session.scalar(sa.select(sa.func.min(self.outbox.c.created_at)).where(waiting))
        if created is None:
            return None
        return created if created.tzinfo else created.replace(tzinfo=UTC)  # SQLite forgets the zone

    def mark_sent(self, session: Session, ids: Iterable[int]) -> None:
        """Remember that the broker has these."""
        now = datetime.now(UTC)
        rows = [{"sent_id": each, "at": now} for each in ids]
        if rows:
            session.connection().execute(self._marking, rows)

    def forget(self, session: Session, older_than: timedelta) -> None:
        """Drop sent rows and inbox rows of events too old to come again."""
        before = datetime.now(UTC) - older_than
        session.execute(self.outbox.delete().where(self.outbox.c.sent_at < before))
        session.execute(self.inbox.delete().where(self.inbox.c.received_at < before))

    def _select(self, session: Session, condition: sa.ColumnElement[bool], limit: int | None = None) -> list[Stored]:
        rows = session.execute(sa.select(self.outbox).where(condition).order_by(self.outbox.c.id).limit(limit))
        return [Stored(row.id, row.topic, row.key, row.partition, row.headers, row.body) for row in rows]
