"""Telling of reminders and timers that came due, each exactly once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2, stage_pb2, turn_pb2
from services.dispatch.connectors.clock import LocalTime
from services.dispatch.connectors.reminders import FIRED, RUNNING, told
from services.dispatch.storage import ReminderRow
from shared import topology
from shared.events import Outgoing, derived_id
from shared.runtime.road import INSTANCE

_AT_ONCE = 100  # the next tick takes the rest


def fire_due(session: Session, now: datetime, local: LocalTime | None = None) -> Sequence[Outgoing]:
    """Mark what is due at `now` (aware) as fired and return what tells of it, oldest first.

    The mark and the outbox are one transaction, and a row another replica is firing is skipped: each reminder is told
    once, with an id that depends on the reminder alone.
    """
    due = (
        sa.select(ReminderRow)
        .where(ReminderRow.state == RUNNING, ReminderRow.due_at <= now)
        .order_by(ReminderRow.due_at, ReminderRow.task_id)
        .limit(_AT_ONCE)
        .with_for_update(skip_locked=True)
        .execution_options(populate_existing=True)
    )
    fired = []
    for row in session.scalars(due).all():
        row.state, row.fired_at = FIRED, now
        fired.append(_outgoing(row, now, local or LocalTime()))
    session.flush()
    return fired


def _outgoing(row: ReminderRow, now: datetime, local: LocalTime) -> Outgoing:
    """The turn that set the reminder, on its way back to dialogue."""
    turn = turn_pb2.Turn.FromString(row.turn)
    result = turn.task_results.add(
        task_id=row.task_id,
        action=row.action,
        outcome=dispatch_pb2.TASK_OUTCOME_FIRED,
        values=told(row, local),
        attempts=1,
    )
    result.started_at.FromDatetime(row.due_at)
    result.finished_at.FromDatetime(now)
    turn.route.next.extend([stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION])
    visit = turn.route.visits.add(stage=stage_pb2.STAGE_DISPATCH, instance=INSTANCE)
    visit.received_at.FromDatetime(now)
    visit.stage_time.FromSeconds(0)
    visit.engine_time.FromSeconds(0)
    discriminator = derived_id("reminder", row.task_id)
    return Outgoing(topology.TASK_RESULTS, key=row.conversation_id, body=turn, discriminator=discriminator)
