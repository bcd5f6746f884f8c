"""Dispatch on the road: a decision's tasks in, their results out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2, stage_pb2, turn_pb2
from services.dispatch.engine import Dispatcher, occasion_of
from shared import topology
from shared.events import Event, Outgoing
from shared.runtime import tracing
from shared.runtime.road import forward


class DispatchHandler:
    """Carries out the tasks of a turn's decision, in order."""

    def __init__(self, dispatcher: Dispatcher, clock: Callable[[], datetime]) -> None:
        self._dispatcher = dispatcher
        self._clock = clock

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        """Append a result for every task and pass the turn on."""
        started = time.perf_counter()
        turn = turn_pb2.Turn()
        turn.CopyFrom(cast(turn_pb2.Turn, event.body))
        occasion = occasion_of(turn, self._clock())
        for task in turn.decision.tasks:
            with tracing.child("task", {"parley.task.action": task.action}) as span:
                result = self._dispatcher.execute(task, occasion, session)
                span.set_attribute(tracing.OUTCOME, dispatch_pb2.TaskOutcome.Name(result.outcome))
            turn.task_results.append(result)
        seconds = time.perf_counter() - started
        return [forward(event, turn, stage_pb2.STAGE_DISPATCH, topology.TASK_RESULTS, engine_seconds=seconds)]
