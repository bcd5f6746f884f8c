"""Dispatch on the road: a decision's tasks in, their results out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

import sqlalchemy.event
from sqlalchemy.orm import Session, SessionTransaction

from parley.v1 import dispatch_pb2, stage_pb2, turn_pb2
from services.dispatch.engine import Dispatcher, occasion_of
from services.dispatch.errands import Errands
from shared import topology
from shared.events import Event, Outgoing
from shared.runtime import tracing
from shared.runtime.road import forward


class DispatchHandler:
    """Carries out the tasks of a turn's decision, in order.

    From the first task on that needs an outside system, the turn is put aside: it goes on once all have ended.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock: Callable[[], datetime],
        errands: Errands | None = None,
        put_aside: Callable[[], None] = lambda: None,
    ) -> None:
        """`errands` is needed where the dispatcher has outside systems; `put_aside` is told once one is committed."""
        self._dispatcher = dispatcher
        self._clock = clock
        self._errands = errands
        self._put_aside = put_aside

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        """Append a result for every task and pass the turn on."""
        started = time.perf_counter()
        turn = turn_pb2.Turn()
        turn.CopyFrom(cast(turn_pb2.Turn, event.body))
        occasion = occasion_of(turn, self._clock())
        for task in turn.decision.tasks:
            if self._errands is not None and self._dispatcher.outside(task, occasion) is not None:
                self._errands.put_aside(session, event, turn)
                _after_commit(session, self._put_aside)
                return []
            with tracing.child("task", {"parley.task.action": task.action}) as span:
                result = self._dispatcher.execute(task, occasion, session)
                span.set_attribute(tracing.OUTCOME, dispatch_pb2.TaskOutcome.Name(result.outcome))
            turn.task_results.append(result)
        seconds = time.perf_counter() - started
        return [forward(event, turn, stage_pb2.STAGE_DISPATCH, topology.TASK_RESULTS, engine_seconds=seconds)]


def _after_commit(session: Session, call: Callable[[], None]) -> None:
    """Call once the transaction is over; a look too many costs nothing where it was rolled back.

    The listener goes with its session: taken away while listeners are being told, it would break the telling.
    """

    def ended(_session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is None:
            call()

    sqlalchemy.event.listen(session, "after_transaction_end", ended)
