"""Generation on the road: a decided turn in, its reply out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

import structlog

from parley.v1 import generation_pb2, stage_pb2, turn_pb2
from services.generation import metrics
from services.generation.engine import Generator, request_of
from services.generation.given_up import GivenUp
from shared import topology
from shared.events import Event, Outgoing
from shared.runtime.road import forward

log = structlog.get_logger(__name__)


class GenerationHandler:
    """Words the reply of every turn that stops here and is not given up."""

    def __init__(self, generator: Generator, given_up: GivenUp) -> None:
        self._generator = generator
        self._given_up = given_up

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """Write the reply into the turn and pass it on; of a turn that the gateway answers itself, nothing."""
        turn = turn_pb2.Turn()
        turn.CopyFrom(cast(turn_pb2.Turn, event.body))
        due_later = turn.decision.reply_kind == generation_pb2.REPLY_KIND_NOTIFICATION
        if turn.turn_id in self._given_up and not due_later:
            metrics.LATE_REPLIES.inc()
            log.warning("reply kept back: its turn was given up", turn_id=turn.turn_id)
            return []
        started = time.perf_counter()
        turn.reply.CopyFrom(self._generator.generate(request_of(turn)))
        seconds = time.perf_counter() - started
        turn.reply.attempt = turn.route.attempt
        models = [self._generator.model]
        return [
            forward(event, turn, stage_pb2.STAGE_GENERATION, topology.REPLIES, engine_seconds=seconds, models=models)
        ]
