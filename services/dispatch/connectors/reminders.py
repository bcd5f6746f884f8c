"""Reminders and timers: set, cancelled, paused, resumed here; `services.dispatch.due` tells of them in time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import Occasion, RecoveryClass, TaskFailed, number, required, succeeded
from services.dispatch.connectors.clock import LocalTime
from services.dispatch.storage import ReminderRow

RUNNING, PAUSED, CANCELLED, FIRED = "running", "paused", "cancelled", "fired"
TIMER, REMINDER = "timer", "reminder"
_LONGEST = timedelta(days=366)
_LONGEST_TIMER = timedelta(hours=24)


class ReminderConnector:
    """Keeps reminders and timers. A known user has theirs everywhere, an anonymous one in their conversation."""

    name = "reminders"
    recovery = RecoveryClass.IDEMPOTENT

    def __init__(self, local: LocalTime) -> None:
        self._local = local
        self._run: dict[str, Callable[[dispatch_pb2.Task, Occasion, Session], dispatch_pb2.TaskResult]] = {
            "reminders.set_timer": self._set_timer,
            "reminders.set_reminder": self._set_reminder,
            "reminders.cancel_timer": self._cancel,
            "reminders.pause_timer": self._pause,
            "reminders.resume_timer": self._resume,
            "reminders.cancel_all_timers": self._cancel_all,
            "reminders.extend_timer": lambda task, occasion, session: self._lengthen(task, occasion, session, 1),
            "reminders.shorten_timer": lambda task, occasion, session: self._lengthen(task, occasion, session, -1),
            "reminders.timer_status": self._status,
        }

    @property
    def actions(self) -> frozenset[str]:
        return frozenset(self._run)

    def execute(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        """Do what the action says; raises TaskFailed where there is no such timer or the time cannot be used."""
        result = self._run[task.action](task, occasion, session)
        session.flush()
        return result

    def _set_timer(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        length = _duration(task, _LONGEST_TIMER)
        return self._set(TIMER, task, occasion, session, occasion.now + length, length)

    def _set_reminder(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        required(task, "subject")
        if task.arguments.get("time"):
            return self._set(REMINDER, task, occasion, session, self._named_time(task, occasion.now), None)
        if task.arguments.get("duration"):
            length = _duration(task)
            return self._set(REMINDER, task, occasion, session, occasion.now + length, length)
        raise TaskFailed("missing_time", "time: is missing; a reminder needs a time or a duration")

    def _named_time(self, task: dispatch_pb2.Task, now: datetime) -> datetime:
        value = task.arguments["time"]
        try:
            due_at = self._local.next(value, now)
        except ValueError:
            detail = f"time: {value!r} is refused; give an ISO 8601 time such as 17:00 or 2026-11-22T17:00"
            raise TaskFailed("invalid_value", detail, argument="time") from None
        if due_at <= now:
            raise TaskFailed("in_the_past", f"time: {value!r} has passed; name a later one")
        if due_at - now > _LONGEST:
            detail = f"time: {value!r} is refused; name one at most {_LONGEST.days} days ahead"
            raise TaskFailed("invalid_value", detail, argument="time")
        return due_at

    def _set(
        self,
        kind: str,
        task: dispatch_pb2.Task,
        occasion: Occasion,
        session: Session,
        due_at: datetime,
        length: timedelta | None,
    ) -> dispatch_pb2.TaskResult:
        row = ReminderRow(
            task_id=task.task_id,
            action=task.action,
            kind=kind,
            state=RUNNING,
            subject=task.arguments.get("subject", "").strip(),
            seconds=None if length is None else length.total_seconds(),
            remaining=None,
            tenant=occasion.principal.tenant,
            user_id=occasion.principal.user_id,
            conversation_id=occasion.turn.conversation_id,
            turn=occasion.turn.SerializeToString(deterministic=True),
            set_at=occasion.now,
            due_at=due_at,
        )
        session.add(row)
        return succeeded(told(row, self._local))

    def _cancel(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        timer = _latest(task, occasion, session, RUNNING, PAUSED)
        if timer.state == RUNNING:
            timer.remaining = _left(timer, occasion.now)
        timer.state = CANCELLED
        return succeeded(told(timer, self._local))

    def _pause(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        timer = _latest(task, occasion, session, RUNNING)
        timer.state, timer.remaining = PAUSED, _left(timer, occasion.now)
        return succeeded(told(timer, self._local))

    def _resume(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        timer = _latest(task, occasion, session, PAUSED)
        left = timer.remaining or 0.0
        timer.state, timer.remaining, timer.due_at = RUNNING, None, occasion.now + timedelta(seconds=left)
        return succeeded({**told(timer, self._local), "remaining": f"{left:.0f}"})

    def _cancel_all(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        timers = session.scalars(_timers(occasion, RUNNING, PAUSED).with_for_update()).all()
        if not timers:
            raise TaskFailed("no_timer", f"{task.action}: there is no timer")
        for timer in timers:
            timer.state = CANCELLED
        return succeeded({"kind": TIMER, "state": CANCELLED, "count": str(len(timers))})

    def _lengthen(
        self, task: dispatch_pb2.Task, occasion: Occasion, session: Session, direction: int
    ) -> dispatch_pb2.TaskResult:
        change = direction * _duration(task, _LONGEST_TIMER)
        timer = _latest(task, occasion, session, RUNNING, PAUSED, of_length=False)
        left = timedelta(seconds=_left(timer, occasion.now) if timer.state == RUNNING else timer.remaining or 0.0)
        left += change
        if not timedelta() < left <= _LONGEST_TIMER:
            detail = f"duration: leaves {left.total_seconds():.0f} s; a timer has from 1 s to {_LONGEST_TIMER} left"
            raise TaskFailed("invalid_value", detail, argument="duration")
        timer.due_at = occasion.now + left
        if timer.state == PAUSED:
            timer.remaining = left.total_seconds()
        return succeeded({**told(timer, self._local), "remaining": f"{left.total_seconds():.0f}"})

    def _status(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        timer = _latest(task, occasion, session, RUNNING, PAUSED)
        left = _left(timer, occasion.now) if timer.state == RUNNING else timer.remaining or 0.0
        return succeeded({**told(timer, self._local), "remaining": f"{left:.0f}"})


def told(row: ReminderRow, local: LocalTime) -> dict[str, str]:
    """What is told of a reminder: `duration` and `remaining` in seconds, `due_at` as the wall shows it."""
    values = {"reminder_id": row.task_id, "kind": row.kind, "state": row.state, "subject": row.subject}
    if row.seconds is not None:
        values["duration"] = f"{row.seconds:g}"
    if row.remaining is not None:
        values["remaining"] = f"{row.remaining:.0f}"
    if row.state in (RUNNING, FIRED):
        values["due_at"] = local.of(row.due_at).isoformat(timespec="seconds")
    return {name: value for name, value in values.items() if value}


def _duration(task: dispatch_pb2.Task, longest: timedelta = _LONGEST) -> timedelta:
    return timedelta(seconds=number(task, "duration", 1, longest.total_seconds()))


def _left(timer: ReminderRow, now: datetime) -> float:
    return max(0.0, (timer.due_at - now).total_seconds())


def _timers(occasion: Occasion, *states: str) -> sa.Select[ReminderRow]:
    """The speaker's timers in one of `states`, the one set last first."""
    user_id, tenant = occasion.principal.user_id, occasion.principal.tenant
    query = sa.select(ReminderRow).where(
        ReminderRow.kind == TIMER,
        ReminderRow.state.in_(states),
        ReminderRow.tenant == tenant,
        ReminderRow.user_id == user_id,
    )
    if not user_id:
        query = query.where(ReminderRow.conversation_id == occasion.turn.conversation_id)
    return query.order_by(ReminderRow.set_at.desc(), ReminderRow.task_id)


def _latest(
    task: dispatch_pb2.Task, occasion: Occasion, session: Session, *states: str, of_length: bool = True
) -> ReminderRow:
    """The timer meant: of the given length where one is named, else the one set last. Locked until the commit."""
    query = _timers(occasion, *states)
    if of_length and task.arguments.get("duration"):
        query = query.where(ReminderRow.seconds == _duration(task).total_seconds())
    latest = query.limit(1).with_for_update()
    timer = session.scalars(latest.execution_options(populate_existing=True)).first()
    if timer is None:
        raise TaskFailed("no_timer", f"{task.action}: there is no timer that is {' or '.join(states)}")
    return timer
