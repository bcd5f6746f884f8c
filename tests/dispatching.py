"""Dispatch in tests: its connectors on a real database, and tasks in short."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2, nlu_pb2, principal_pb2, turn_pb2
from services.dispatch.connectors.base import Connector
from services.dispatch.connectors.clock import ClockConnector, LocalTime
from services.dispatch.connectors.home import HomeConnector
from services.dispatch.connectors.lists import ListConnector
from services.dispatch.connectors.reminders import ReminderConnector
from services.dispatch.connectors.tickets import TicketConnector
from services.dispatch.engine import Dispatcher, occasion_of
from shared.packs import bundled_packs
from shared.storage.database import Database
from shared.storage.migrate import upgrade

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)  # a Sunday
EAST = LocalTime(timezone(timedelta(hours=8)))  # where it is 20:00 then
PACKS = bundled_packs()
RESIDENT = principal_pb2.Principal(user_id="ann", roles=["resident"])
GUEST = principal_pb2.Principal(user_id="ben", roles=["guest"])
ANONYMOUS = principal_pb2.Principal()


def dispatcher() -> Dispatcher:
    """Every built-in connector, in a home eight hours east of Greenwich."""
    connectors: list[Connector] = [
        HomeConnector(PACKS),
        TicketConnector(PACKS),
        ReminderConnector(EAST),
        ClockConnector(EAST),
        ListConnector(),
    ]
    return Dispatcher(PACKS, connectors)


def migrated(url: str) -> Database:
    """Dispatch's tables in the database at `url`."""
    database = Database(url)
    upgrade(database, "services.dispatch.migrations")
    return database


def on_sqlite(folder: Path) -> Database:
    """Dispatch's tables in a file of `folder`."""
    return migrated(f"sqlite:///{folder / 'dispatch.sqlite3'}")


def task(action: str, arguments: Mapping[str, str], *, confirmed: bool = False, task_id: str = "") -> dispatch_pb2.Task:
    """A task; with an id of its own unless one is given."""
    return dispatch_pb2.Task(
        task_id=task_id or str(uuid.uuid4()), action=action, arguments=arguments, confirmed=confirmed
    )


def turn_of(
    principal: principal_pb2.Principal, conversation_id: str = "c1", text: str = "do it", locale: str = "en"
) -> turn_pb2.Turn:
    """A turn as dispatch gets one."""
    turn_id = str(uuid.uuid4())
    utterance = turn_pb2.Utterance(
        turn_id=turn_id, conversation_id=conversation_id, text=text, locale=locale, principal=principal
    )
    understanding = nlu_pb2.Understanding(language=locale[:2])
    return turn_pb2.Turn(
        turn_id=turn_id, conversation_id=conversation_id, utterance=utterance, understanding=understanding
    )


@dataclass
class Desk:
    """Where tasks are handed in: by ann, a resident, at noon in conversation c1, unless said otherwise."""

    session: Session
    engine: Dispatcher = field(default_factory=dispatcher)
    now: datetime = NOON

    def do(
        self,
        action: str | dispatch_pb2.Task,
        given: Mapping[str, str] | None = None,
        *,
        by: principal_pb2.Principal = RESIDENT,
        conversation_id: str = "c1",
        **arguments: str,
    ) -> dispatch_pb2.TaskResult:
        """Have one task done, confirmed."""
        asked = task(action, {**(given or {}), **arguments}, confirmed=True) if isinstance(action, str) else action
        return self.engine.execute(asked, occasion_of(turn_of(by, conversation_id), self.now), self.session)

    def later(self, **duration: float) -> datetime:
        """Let time pass; returns what time it is then."""
        self.now += timedelta(**duration)
        return self.now
