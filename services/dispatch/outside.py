"""Carries out tasks whose effects are outside our database: *started* is committed, then acted, then the result is.

What a crash between the two leaves behind is taken up by whoever finds its lease run out, and the connector's recovery
class says what may be done about it. A lease lasts longer than any call of the connector: who outlives it is gone.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

import sqlalchemy as sa
import structlog
from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2
from services.dispatch import metrics
from services.dispatch.connectors.base import Occasion, RecoveryClass, TaskFailed
from services.dispatch.connectors.outside import NotDone, OutsideConnector, OutsideError, Uncertain
from services.dispatch.results import ended
from services.dispatch.storage import TaskRow, insert_unless_present
from shared.storage.database import Database

log = structlog.get_logger(__name__)
_MARGIN = timedelta(seconds=5)  # by which a lease outlasts the connector's longest call
_LONGEST_BACKOFF = 30.0  # seconds


class Progress(IntEnum):
    """How far an attempt got, as its row tells."""

    STARTED = 0  # under way, or lost in a crash: it may have been done
    NOT_DONE = 1
    UNCERTAIN = 2


@dataclass(frozen=True, slots=True)
class Later:
    """The task has not ended; ask again at `at`."""

    at: datetime


@dataclass(frozen=True, slots=True)
class _Lease:
    """Whose a task is, and until when."""

    owner: str
    until: datetime


@dataclass(frozen=True, slots=True)
class _Claim:
    """The right to act on a task until a lease runs out. `ask_first`: whether it may have been done before."""

    owner: str
    attempt: int
    ask_first: bool


class Outside:
    """Claims tasks, calls their connectors and settles them; safe for several replicas at once."""

    def __init__(self, database: Database, clock: Callable[[], datetime], *, most_attempts: int) -> None:
        self._database = database
        self._clock = clock
        self._most = most_attempts

    def carry_out(
        self, task: dispatch_pb2.Task, connector: OutsideConnector, occasion: Occasion
    ) -> dispatch_pb2.TaskResult | Later:
        """One attempt at `task`, or its result where it has ended. Raises Unavailable where the database is away."""
        with self._database.transaction() as session:
            claim = self._claim(session, task, connector)
        if not isinstance(claim, _Claim):
            return claim
        try:
            result = self._attempt(task, connector, occasion, claim)
        except OutsideError as error:
            return self._failed(task, connector, claim, error)
        return self._settle(task, connector, claim, result)

    def _attempt(
        self, task: dispatch_pb2.Task, connector: OutsideConnector, occasion: Occasion, claim: _Claim
    ) -> dispatch_pb2.TaskResult:
        told = connector.ask(task) if claim.ask_first else None
        try:
            told = told or connector.act(task, occasion)
        except TaskFailed as failure:
            failed = dispatch_pb2.TASK_OUTCOME_FAILED
            return ended(task, self._clock(), failed, failure.error_class, str(failure), failure.values)
        return ended(task, self._clock(), told.outcome, told.error_class, told.detail, told.values)

    def _claim(
        self, session: Session, task: dispatch_pb2.Task, connector: OutsideConnector
    ) -> _Claim | Later | dispatch_pb2.TaskResult:
        now = self._clock()
        lease = _Lease(uuid.uuid4().hex, now + timedelta(seconds=connector.longest) + _MARGIN)
        row: dict[str, object] = {
            "task_id": task.task_id,
            "action": task.action,
            "outcome": 0,
            "started_at": now,
            "attempts": 1,
            "progress": Progress.STARTED,
            "owner": lease.owner,
            "lease_until": lease.until,
        }
        if insert_unless_present(session, TaskRow, ["task_id"], [row]):
            return _Claim(lease.owner, 1, ask_first=False)
        known = _locked(session, task.task_id)
        if known.result is not None:
            return dispatch_pb2.TaskResult.FromString(known.result)
        if known.lease_until is not None and known.lease_until > now:
            return Later(known.lease_until)
        return self._taken_over(known, task, connector, lease)

    def _taken_over(
        self, row: TaskRow, task: dispatch_pb2.Task, connector: OutsideConnector, lease: _Lease
    ) -> _Claim | dispatch_pb2.TaskResult:
        """What may be done about an attempt that somebody left: the heart of recovery."""
        maybe_done = row.progress != Progress.NOT_DONE
        if maybe_done and connector.recovery == RecoveryClass.AT_MOST_ONCE:
            detail = f"task_id: {task.task_id} was started at {row.started_at.isoformat()} and its outcome was lost"
            return self._end(row, _unknown(task, self._clock(), "interrupted", detail, row.attempts))
        if row.attempts >= self._most:
            detail = f"task_id: {task.task_id} had no outcome in {row.attempts} attempts"
            failed = ended(task, self._clock(), dispatch_pb2.TASK_OUTCOME_FAILED, "given_up", detail)
            lost = _unknown(task, self._clock(), "interrupted", detail, row.attempts)
            return self._end(row, lost if maybe_done else failed)
        row.attempts += 1
        row.progress, row.owner, row.lease_until = Progress.STARTED, lease.owner, lease.until
        metrics.RECOVERIES.labels(connector.name, connector.recovery).inc()
        ask_first = maybe_done and connector.recovery == RecoveryClass.RECONCILABLE
        return _Claim(lease.owner, row.attempts, ask_first)

    def _failed(
        self, task: dispatch_pb2.Task, connector: OutsideConnector, claim: _Claim, error: OutsideError
    ) -> dispatch_pb2.TaskResult | Later:
        """After an attempt that did not end: try again later while that is allowed, else say what is known."""
        not_done = isinstance(error, NotDone) and not claim.ask_first
        metrics.ATTEMPTS_FAILED.labels(connector.name, error.error_class).inc()
        log.warning("task not carried out", action=task.action, attempt=claim.attempt, error_class=error.error_class)
        now = self._clock()
        if isinstance(error, Uncertain) and connector.recovery == RecoveryClass.AT_MOST_ONCE:
            return self._settle(task, connector, claim, _unknown(task, now, error.error_class, str(error), 1))
        if claim.attempt >= self._most:
            last = (
                ended(task, now, dispatch_pb2.TASK_OUTCOME_FAILED, error.error_class, str(error))
                if not_done
                else _unknown(task, now, error.error_class, str(error), 1)
            )
            return self._settle(task, connector, claim, last)
        longest = min(_LONGEST_BACKOFF, 0.25 * 2**claim.attempt)
        again = now + timedelta(seconds=longest * random.uniform(0.5, 1.0))
        progress = Progress.NOT_DONE if not_done else Progress.UNCERTAIN
        with self._database.transaction() as session:
            session.execute(
                sa.update(TaskRow)
                .where(TaskRow.task_id == task.task_id, TaskRow.owner == claim.owner, TaskRow.result.is_(None))
                .values(progress=progress, lease_until=now)
                .execution_options(synchronize_session=False)
            )
        return Later(again)

    def _settle(
        self, task: dispatch_pb2.Task, connector: OutsideConnector, claim: _Claim, result: dispatch_pb2.TaskResult
    ) -> dispatch_pb2.TaskResult | Later:
        """Commit how it ended. Where somebody else has taken over meanwhile, theirs is the word that counts."""
        result.attempts = claim.attempt
        with self._database.transaction() as session:
            row = _locked(session, task.task_id)
            if row.result is not None:
                return dispatch_pb2.TaskResult.FromString(row.result)
            if row.owner != claim.owner:
                return Later(row.lease_until or self._clock())
            self._end(row, result)
        outcome = dispatch_pb2.TaskOutcome.Name(result.outcome)
        metrics.TASKS.labels(connector.name, outcome).inc()
        log.info("task carried out", action=task.action, outcome=outcome, error_class=result.error_class)
        return result

    def _end(self, row: TaskRow, result: dispatch_pb2.TaskResult) -> dispatch_pb2.TaskResult:
        result.started_at.FromDatetime(row.started_at)
        row.outcome, row.result = result.outcome, result.SerializeToString()
        row.finished_at, row.lease_until = self._clock(), None
        return result


def _locked(session: Session, task_id: str) -> TaskRow:
    """The row of a task, nobody else's to write until the transaction ends."""
    return session.execute(
        sa.select(TaskRow).where(TaskRow.task_id == task_id).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def _unknown(
    task: dispatch_pb2.Task, now: datetime, error_class: str, detail: str, attempts: int
) -> dispatch_pb2.TaskResult:
    result = ended(task, now, dispatch_pb2.TASK_OUTCOME_UNKNOWN, error_class, detail)
    result.attempts = attempts
    return result
