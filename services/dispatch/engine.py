"""Dispatch: carries out a task once, if the principal may and the user has agreed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2, turn_pb2
from services.dispatch import metrics
from services.dispatch.connectors.base import Connector, Occasion, TaskFailed
from services.dispatch.connectors.outside import OutsideConnector
from services.dispatch.results import ended
from services.dispatch.storage import TaskRow, insert_unless_present
from shared.packs import Action, Pack

_RISKS = {"low": dispatch_pb2.RISK_LOW, "medium": dispatch_pb2.RISK_MEDIUM, "high": dispatch_pb2.RISK_HIGH}
_log = structlog.get_logger(__name__)


class Dispatcher:
    """The actions of the packs, each carried out by its connector."""

    def __init__(
        self, packs: Sequence[Pack], connectors: Sequence[Connector], outside: Sequence[OutsideConnector] = ()
    ) -> None:
        """`outside`: systems that take actions over from the packs' own connectors."""
        self._actions: Mapping[str, Action] = {name: action for pack in packs for name, action in pack.actions.items()}
        self._connectors = {connector.name: connector for connector in connectors}
        self._outside = {action: connector for connector in outside for action in connector.actions}

    def execute(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        """How `task` ended. What it does is part of the transaction of `session`; a task id seen before does nothing.

        A task that is refused before it reaches a connector has done nothing and is not remembered, so the same id may
        come again once the user has agreed.
        """
        refusal = self.refusal(task, occasion)
        return refusal or self._once(task, self._connectors[self._actions[task.action].connector], occasion, session)

    def outside(self, task: dispatch_pb2.Task, occasion: Occasion) -> OutsideConnector | None:
        """The outside system that is to carry out `task`; None where it is ours to execute, or refused."""
        connector = self._outside.get(task.action)
        return connector if connector is not None and self.refusal(task, occasion) is None else None

    def refusal(self, task: dispatch_pb2.Task, occasion: Occasion) -> dispatch_pb2.TaskResult | None:
        """Why `task` is not carried out, or None where it may be."""
        action = self._actions.get(task.action)
        connector = self._connectors.get(action.connector) if action is not None else None
        served = task.action in self._outside or (connector is not None and task.action in connector.actions)
        if action is None or not served:
            detail = f"action: {task.action!r} is offered by no loaded pack and connector"
            return ended(task, occasion.now, dispatch_pb2.TASK_OUTCOME_FAILED, "unknown_action", detail)
        if action.roles and not set(action.roles) & set(occasion.principal.roles):
            detail = f"roles: {task.action} needs one of {', '.join(action.roles)}; sign in as somebody who has it"
            return ended(task, occasion.now, dispatch_pb2.TASK_OUTCOME_DENIED, "permission_denied", detail)
        if max(_RISKS[action.risk], task.risk) == dispatch_pb2.RISK_HIGH and not task.confirmed:
            detail = f"confirmed: is false; {task.action} is of high risk and needs the user's yes"
            return ended(task, occasion.now, dispatch_pb2.TASK_OUTCOME_DENIED, "not_confirmed", detail)
        return None

    def _once(
        self, task: dispatch_pb2.Task, connector: Connector, occasion: Occasion, session: Session
    ) -> dispatch_pb2.TaskResult:
        started = {"task_id": task.task_id, "action": task.action, "outcome": 0, "started_at": occasion.now}
        if not insert_unless_present(session, TaskRow, ["task_id"], [started]):
            return _stored(task, session)
        result = _run(task, connector, occasion, session)
        row = session.get_one(TaskRow, task.task_id)
        row.outcome, row.result, row.finished_at = result.outcome, result.SerializeToString(), occasion.now
        session.flush()
        outcome = dispatch_pb2.TaskOutcome.Name(result.outcome)
        metrics.TASKS.labels(connector.name, outcome).inc()
        _log.info("task carried out", action=task.action, outcome=outcome, error_class=result.error_class)
        return result


def occasion_of(turn: turn_pb2.Turn, now: datetime) -> Occasion:
    """The occasion of a turn's tasks; keeps of the turn what a later notification needs."""
    kept = turn_pb2.Turn(turn_id=turn.turn_id, conversation_id=turn.conversation_id, utterance=turn.utterance)
    kept.understanding.language = turn.understanding.language
    kept.understanding.intent = turn.understanding.intent
    kept.understanding.domain = turn.understanding.domain
    kept.route.attempt = turn.route.attempt
    return Occasion(turn.utterance.principal, turn.utterance.locale or turn.understanding.language, now, kept)


def _run(
    task: dispatch_pb2.Task, connector: Connector, occasion: Occasion, session: Session
) -> dispatch_pb2.TaskResult:
    try:
        with session.begin_nested():  # a task that fails halfway leaves nothing behind
            told = connector.execute(task, occasion, session)
    except TaskFailed as failure:
        failed = dispatch_pb2.TASK_OUTCOME_FAILED
        return ended(task, occasion.now, failed, failure.error_class, str(failure), failure.values)
    return ended(task, occasion.now, told.outcome, told.error_class, told.detail, told.values)


def _stored(task: dispatch_pb2.Task, session: Session) -> dispatch_pb2.TaskResult:
    row = session.get_one(TaskRow, task.task_id, populate_existing=True)
    if row.result is None:
        detail = f"task_id: {task.task_id} was started at {row.started_at.isoformat()} and its outcome was lost"
        unknown = dispatch_pb2.TASK_OUTCOME_UNKNOWN
        return ended(task, row.started_at, unknown, "interrupted", detail)
    return dispatch_pb2.TaskResult.FromString(row.result)
