"""The gRPC API of generation."""

from __future__ import annotations

import grpc

from parley.v1 import generation_pb2, generation_pb2_grpc
from services.generation.engine import Generator


class GenerationServicer(generation_pb2_grpc.GenerationServiceServicer):
    """Words one reply a call."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def Generate(  # noqa: N802 - the name the contract gives
        self, request: generation_pb2.GenerateRequest, context: grpc.ServicerContext
    ) -> generation_pb2.GenerateResponse:
        """Generate words one reply."""
        return generation_pb2.GenerateResponse(reply=self._generator.generate(request))
