"""Passing a turn on: every stage signs the slip and sends the turn to its topic."""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence

from parley.v1 import models_pb2, stage_pb2, turn_pb2
from shared.events import Event, Outgoing

_NO_MODELS: tuple[models_pb2.ModelVersion, ...] = ()
INSTANCE = socket.gethostname()


def open_turn(utterance: turn_pb2.Utterance, turn_id: str, conversation_id: str) -> turn_pb2.Turn:
    """A turn at its start: spoken utterances go by asr, typed ones straight to nlu."""
    turn = turn_pb2.Turn(turn_id=turn_id, conversation_id=conversation_id, utterance=utterance)
    turn.utterance.turn_id = turn_id
    turn.utterance.conversation_id = conversation_id
    spoken = utterance.WhichOneof("content") == "audio"
    stages = [stage_pb2.STAGE_NLU, stage_pb2.STAGE_DIALOGUE]
    turn.route.next.extend([stage_pb2.STAGE_ASR, *stages] if spoken else stages)
    return turn


def forward(
    event: Event,
    turn: turn_pb2.Turn,
    stage: stage_pb2.Stage.ValueType,
    topic: str,
    *,
    engine_seconds: float,
    models: Sequence[models_pb2.ModelVersion] = _NO_MODELS,
) -> Outgoing:
    """Sign `turn`'s slip for `stage` and address it to `topic`.

    The handler has already written its section into `turn`, a copy of the event's body (the body itself is read by
    other services of the process too), and, in dialogue, the rest of the route. `engine_seconds`: time the engine
    worked on it.
    """
    if turn.route.next and turn.route.next[0] == stage:
        del turn.route.next[0]
    visit = turn.route.visits.add(stage=stage, instance=INSTANCE, models=models)
    visit.received_at.FromMicroseconds(round(event.received_at * 1e6))
    visit.stage_time.FromMicroseconds(max(0, round((time.time() - event.received_at) * 1e6)))
    visit.engine_time.FromMicroseconds(round(engine_seconds * 1e6))
    return Outgoing(topic=topic, key=turn.conversation_id, body=turn, discriminator=str(len(turn.route.visits)))
