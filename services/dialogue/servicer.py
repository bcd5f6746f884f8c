"""The gRPC API of dialogue: the same engine and conversations, asked directly."""

from __future__ import annotations

import grpc

from parley.v1 import dialogue_pb2, dialogue_pb2_grpc
from services.dialogue.floor import Floor
from services.dialogue.storage import ConversationChanged
from shared.errors import InvalidInput
from shared.storage.database import Database

_ATTEMPTS = 5


class DialogueServicer(dialogue_pb2_grpc.DialogueServiceServicer):
    """Decides for callers that carry a turn themselves. Nothing is sent on the road."""

    def __init__(self, floor: Floor, database: Database) -> None:
        self._floor = floor
        self._database = database

    def Decide(  # noqa: N802 - the method's name in the contract
        self, request: dialogue_pb2.DecideRequest, context: grpc.ServicerContext
    ) -> dialogue_pb2.DecideResponse:
        """Decide one utterance, or one turn whose tasks have ended."""
        if not request.HasField("transcript") and not request.task_results:
            raise InvalidInput("transcript", None, "is missing; send what was heard, or task_results of the turn")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                with self._database.transaction() as session:
                    decided = self._floor.asked(session, request)
                break
            except ConversationChanged:
                if attempt == _ATTEMPTS:
                    raise
        return dialogue_pb2.DecideResponse(decision=decided.decision, context=decided.context)
