"""The gRPC API of hearing."""

from __future__ import annotations

import grpc

from parley.v1 import asr_pb2, asr_pb2_grpc
from services.asr.engine.listener import Listener


class AsrServicer(asr_pb2_grpc.AsrServiceServicer):
    """AsrService over the engine that also hears what comes by Kafka."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener

    def Transcribe(  # noqa: N802 - the contract's name
        self, request: asr_pb2.TranscribeRequest, context: grpc.ServicerContext
    ) -> asr_pb2.TranscribeResponse:
        """Hear one recording."""
        return asr_pb2.TranscribeResponse(
            transcript=self._listener.transcribe(request.audio, request.locale).transcript
        )
