"""Dialogue on the road: understandings, outcomes of tasks and final replies in; decisions and contexts out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

from sqlalchemy.orm import Session

from parley.v1 import generation_pb2, stage_pb2, turn_pb2
from services.dialogue.floor import Answer, Effects, Floor
from shared import topology
from shared.events import Event, Outgoing
from shared.runtime.road import forward


class DialogueHandler:
    """Takes what happened in a conversation to the floor, and sends what was decided."""

    def __init__(self, floor: Floor) -> None:
        self._floor = floor

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        """Decide what follows from one event. Raises ConversationChanged, which is worth another try."""
        turn = cast(turn_pb2.Turn, event.body)
        if event.topic == topology.UNDERSTANDINGS:
            effects = self._floor.utterance(session, event)
        elif event.topic == topology.TASK_RESULTS:
            effects = self._floor.outcome(session, event)
        elif turn.reply.kind == generation_pb2.REPLY_KIND_FINAL:
            effects = self._floor.replied(session, turn)
        else:
            return []
        return _sent(effects, event)

    def sweep(self, session: Session) -> Sequence[Outgoing]:
        """Close what has been open for too long; run by a tick."""
        return [outgoing for effects in self._floor.sweep(session) for outgoing in _sent(effects, None)]


def _sent(effects: Effects, handled: Event | None) -> list[Outgoing]:
    """The events that tell of effects; what answers another event than the one handled keeps that as its cause."""
    sent = [_decided(answer, answer.event is handled) for answer in effects.answers]
    if effects.context is not None:
        context = effects.context
        sent.append(
            Outgoing(topology.CONTEXTS, context.conversation_id, body=context, discriminator=str(context.revision))
        )
    return sent


def _decided(answer: Answer, is_handled: bool) -> Outgoing:
    turn = turn_pb2.Turn()
    turn.CopyFrom(cast(turn_pb2.Turn, answer.event.body))
    turn.decision.CopyFrom(answer.decision)
    del turn.route.next[:]
    turn.route.next.extend(answer.decision.route)
    outgoing = forward(answer.event, turn, stage_pb2.STAGE_DIALOGUE, topology.DECISIONS, engine_seconds=answer.seconds)
    return outgoing if is_handled else replace(outgoing, cause=answer.event)
