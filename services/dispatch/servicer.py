"""The gRPC API of dispatch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import grpc

from parley.v1 import dispatch_pb2, dispatch_pb2_grpc, turn_pb2
from services.dispatch.engine import Dispatcher, occasion_of
from services.dispatch.outside import Later, Outside
from shared.errors import Unavailable
from shared.events import derived_id
from shared.storage.database import Database


class DispatchServicer(dispatch_pb2_grpc.DispatchServiceServicer):
    """Carries out one task a call: in a transaction of its own, or at an outside system."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        database: Database,
        clock: Callable[[], datetime],
        outside: Outside | None = None,
    ) -> None:
        """`outside` is needed where the dispatcher has outside systems."""
        self._outside = outside
        self._dispatcher = dispatcher
        self._database = database
        self._clock = clock

    def Execute(  # noqa: N802 - the name the contract gives
        self, request: dispatch_pb2.ExecuteRequest, context: grpc.ServicerContext
    ) -> dispatch_pb2.ExecuteResponse:
        """Execute carries out one task, once for its task id, and tells how it ended."""
        occasion = occasion_of(_turn_of(request), self._clock())
        connector = self._dispatcher.outside(request.task, occasion)
        if connector is not None and self._outside is not None:
            tried = self._outside.carry_out(request.task, connector, occasion)
            if isinstance(tried, Later):
                raise Unavailable(f"task_id: {request.task.task_id} has not ended yet; ask again with the same task_id")
            return dispatch_pb2.ExecuteResponse(result=tried)
        with self._database.transaction() as session:
            result = self._dispatcher.execute(request.task, occasion, session)
        return dispatch_pb2.ExecuteResponse(result=result)


def _turn_of(request: dispatch_pb2.ExecuteRequest) -> turn_pb2.Turn:
    """A turn for a task that no utterance asked for: a reminder set by a program is still told in a turn."""
    turn_id = derived_id("execute", request.task.task_id)
    turn = turn_pb2.Turn(turn_id=turn_id, conversation_id=request.conversation_id or turn_id)
    utterance = turn.utterance
    utterance.turn_id, utterance.conversation_id = turn.turn_id, turn.conversation_id
    utterance.text = request.task.action  # a turn has words; these are the program's
    utterance.locale = request.locale
    utterance.principal.CopyFrom(request.principal)
    return turn
