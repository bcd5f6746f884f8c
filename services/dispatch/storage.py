"""Dispatch's tables: tasks done, the virtual home, lists, tickets, reminders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from shared.storage.journal import Journal

_NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")  # SQLite autoincrements INTEGER alone


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """A moment, always aware and in UTC: SQLite forgets the zone, so it is put back on reading."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Any) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Any) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of dispatch's tables."""


class TaskRow(Base):
    """One task that reached a connector, and how it ended. `result` is a serialised TaskResult.

    Of a task that acts outside our database the rest tells who is at it, until when, and how far the last attempt got.
    """

    __tablename__ = "dispatch_task"

    task_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    action: Mapped[str] = mapped_column(sa.String(200))
    outcome: Mapped[int]
    result: Mapped[bytes | None]
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(default=1)
    progress: Mapped[int] = mapped_column(default=0)  # services.dispatch.outside.Progress
    owner: Mapped[str | None] = mapped_column(sa.String(40))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class ErrandRow(Base):
    """One decided turn that waits for outside systems: the event as it came, and the turn with the results so far."""

    __tablename__ = "dispatch_errand"
    __table_args__ = (sa.Index("ix_dispatch_errand_due", "due_at", "number"),)

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    event_id: Mapped[str] = mapped_column(sa.String(200), unique=True)
    conversation_id: Mapped[str] = mapped_column(sa.String(200), index=True)
    topic: Mapped[str] = mapped_column(sa.String(200))
    headers: Mapped[dict[str, str]] = mapped_column(sa.JSON)
    turn: Mapped[bytes]
    results: Mapped[int]  # how many the turn holds: of two replicas one adds the next
    received_at: Mapped[float]  # Unix seconds
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)  # when it is to be looked at next


class DeviceRow(Base):
    """One device of a tenant's virtual home; a column is null where the device has no such state."""

    __tablename__ = "dispatch_device"

    tenant: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    id: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    kind: Mapped[str] = mapped_column(sa.String(100))
    area: Mapped[str] = mapped_column(sa.String(100))
    is_on: Mapped[bool | None]
    brightness: Mapped[int | None]  # percent
    color: Mapped[str | None] = mapped_column(sa.String(100))
    position: Mapped[int | None]  # percent open
    locked: Mapped[bool | None]
    target_temperature: Mapped[float | None]  # degrees Celsius
    temperature: Mapped[float | None]  # degrees Celsius
    speed: Mapped[int | None]  # percent
    fan_mode: Mapped[str | None] = mapped_column(sa.String(100))
    volume: Mapped[int | None]  # percent
    muted: Mapped[bool | None]
    activity: Mapped[str | None] = mapped_column(sa.String(100))
    media: Mapped[str | None] = mapped_column(sa.String(500))
    track: Mapped[int | None]
    announcement: Mapped[str | None] = mapped_column(sa.String(500))


class ListItemRow(Base):
    """One item of a list; `owner`: who shares it besides the tenant, see `services.dispatch.connectors.lists`."""

    __tablename__ = "dispatch_list_item"
    __table_args__ = (sa.Index("ix_dispatch_list_item_list", "tenant", "owner", "list"),)

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)  # in the order they were added
    task_id: Mapped[str] = mapped_column(sa.String(36), unique=True)
    tenant: Mapped[str] = mapped_column(sa.String(200))
    owner: Mapped[str] = mapped_column(sa.String(220))
    list: Mapped[str] = mapped_column(sa.String(100))
    item: Mapped[str] = mapped_column(sa.String(500))
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)
    completed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TicketRow(Base):
    """One ticket. Its readable id is made of its number, which the database hands out once."""

    __tablename__ = "dispatch_ticket"

    number: Mapped[int] = mapped_column(_NUMBER, primary_key=True, autoincrement=True)
    task_id: Mapped[str] = mapped_column(sa.String(36), unique=True)
    kind: Mapped[str] = mapped_column(sa.String(50))
    status: Mapped[str] = mapped_column(sa.String(50))
    order_id: Mapped[str] = mapped_column(sa.String(2000))
    subject: Mapped[str] = mapped_column(sa.String(2000))
    arguments: Mapped[dict[str, str]] = mapped_column(sa.JSON)  # what else its action was given
    tenant: Mapped[str] = mapped_column(sa.String(200))
    user_id: Mapped[str] = mapped_column(sa.String(200))
    conversation_id: Mapped[str] = mapped_column(sa.String(200))
    opened_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReminderRow(Base):
    """One reminder or timer. `turn` is the serialised Turn that set it: what tells of it is part of that turn."""

    __tablename__ = "dispatch_reminder"

    task_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    action: Mapped[str] = mapped_column(sa.String(200))
    kind: Mapped[str] = mapped_column(sa.String(20))  # "timer" or "reminder"
    state: Mapped[str] = mapped_column(sa.String(20))  # "running", "paused", "cancelled", "fired"
    subject: Mapped[str] = mapped_column(sa.String(2000))
    seconds: Mapped[float | None]  # length it was set for; null where a time was named
    remaining: Mapped[float | None]  # seconds left of a paused timer
    tenant: Mapped[str] = mapped_column(sa.String(200))
    user_id: Mapped[str] = mapped_column(sa.String(200))
    conversation_id: Mapped[str] = mapped_column(sa.String(200))
    turn: Mapped[bytes]
    set_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    fired_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (sa.Index("ix_dispatch_reminder_due", "state", "due_at"),)


journal = Journal("dispatch", Base.metadata)


def insert_unless_present(session: Session, row: type[Base], keys: list[str], values: list[dict[str, object]]) -> int:
    """Insert what is not there yet, by primary key; returns how many rows were new.

    Waits for another transaction that is inserting the same key, so that two replicas never both believe to be first.
    """
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert(row) if dialect == "postgresql" else sqlite.insert(row)
    column = sa.inspect(row).primary_key[0]
    statement = insert.values(values).on_conflict_do_nothing(index_elements=keys).returning(column)
    return len(session.execute(statement).all())
