"""The gRPC API of hearing."""

from __future__ import annotations

import grpc

from parley.v1 import asr_pb2, asr_pb2_grpc
from services.asr.engine.listener import Listener
from services.asr.expecting import Expecting
from services.asr.listening import listen


class AsrServicer(asr_pb2_grpc.AsrServiceServicer):
    """AsrService over the engine that also hears what comes by Kafka."""

    def __init__(self, listener: Listener, expecting: Expecting | None) -> None:
        self._listener = listener
        self._expecting = expecting

    def Transcribe(  # noqa: N802 - the contract's name
        self, request: asr_pb2.TranscribeRequest, context: grpc.ServicerContext
    ) -> asr_pb2.TranscribeResponse:
        """Hear one recording."""
        heard = listen(self._listener, self._expecting, request.audio, request.locale, request.conversation_id)
        return asr_pb2.TranscribeResponse(transcript=heard.transcript)
