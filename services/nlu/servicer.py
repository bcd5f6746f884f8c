"""The gRPC API of understanding."""

from __future__ import annotations

import grpc

from parley.v1 import nlu_pb2, nlu_pb2_grpc
from services.nlu.understander import Understander


class NluServicer(nlu_pb2_grpc.NluServiceServicer):
    """NluService over the engine that also reads what comes by Kafka."""

    def __init__(self, understander: Understander) -> None:
        self._understander = understander

    def Understand(  # noqa: N802 - the contract's name
        self, request: nlu_pb2.UnderstandRequest, context: grpc.ServicerContext
    ) -> nlu_pb2.UnderstandResponse:
        """Understand one text."""
        understood = self._understander.understand(request.text, request.locale)
        return nlu_pb2.UnderstandResponse(understanding=understood.value)
