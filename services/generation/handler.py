"""Generation on the road: a decided turn in, its reply out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from parley.v1 import stage_pb2, turn_pb2
from services.generation.engine import Generator, request_of
from shared import topology
from shared.events import Event, Outgoing
from shared.runtime.road import forward


class GenerationHandler:
    """Words the reply of every turn that stops here."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """Write the reply into the turn and pass it on."""
        turn = turn_pb2.Turn()
        turn.CopyFrom(cast(turn_pb2.Turn, event.body))
        started = time.perf_counter()
        turn.reply.CopyFrom(self._generator.generate(request_of(turn)))
        seconds = time.perf_counter() - started
        turn.reply.attempt = turn.route.attempt
        models = [self._generator.model]
        return [
            forward(event, turn, stage_pb2.STAGE_GENERATION, topology.REPLIES, engine_seconds=seconds, models=models)
        ]
