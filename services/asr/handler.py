"""Utterances in, turns with a transcript out."""

from __future__ import annotations

import re
from collections.abc import Sequence

from parley.v1 import asr_pb2, models_pb2, stage_pb2, turn_pb2
from services.asr.engine.listener import Listener
from services.asr.expecting import Expecting
from services.asr.listening import listen
from shared import topology
from shared.errors import InvalidEvent
from shared.events import Event, Outgoing, derived_id
from shared.principals import PrincipalSeal
from shared.runtime import road

_CONVERSATION = re.compile(r"[A-Za-z0-9._:@+-]{1,200}")


class UtteranceHandler:
    """Opens a turn for every utterance. What cannot be heard goes on too: dialogue asks for it again."""

    def __init__(self, listener: Listener, expecting: Expecting | None, seal: PrincipalSeal) -> None:
        """`expecting` None: nothing but the sound counts."""
        self._listener = listener
        self._expecting = expecting
        self._seal = seal

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """One turn on `parley.transcripts` for each utterance."""
        turn = self._open(event)
        if turn.utterance.WhichOneof("content") == "text":
            turn.transcript.text = turn.utterance.text
            turn.transcript.outcome = asr_pb2.TRANSCRIPT_OUTCOME_TYPED
            turn.transcript.confidence = 1.0
            return [road.forward(event, turn, stage_pb2.STAGE_ASR, topology.TRANSCRIPTS, engine_seconds=0.0)]
        heard = listen(
            self._listener, self._expecting, turn.utterance.audio, turn.utterance.locale, turn.conversation_id
        )
        turn.transcript.CopyFrom(heard.transcript)
        self._listener.keep(turn.utterance.audio)
        model = models_pb2.ModelVersion(name="asr", version=self._listener.version)
        return [
            road.forward(
                event,
                turn,
                stage_pb2.STAGE_ASR,
                topology.TRANSCRIPTS,
                engine_seconds=heard.seconds,
                models=[model],
            )
        ]

    def _open(self, event: Event) -> turn_pb2.Turn:
        if not isinstance(event.body, turn_pb2.Utterance):
            raise InvalidEvent("body", event.type, "is no utterance; send a parley.v1.Utterance")
        utterance = turn_pb2.Utterance()
        utterance.CopyFrom(event.body)
        utterance.ClearField("principal")
        principal = self._seal.verify(event)
        if principal.ByteSize():
            utterance.principal.CopyFrom(principal)
        turn_id = utterance.turn_id or derived_id("turn", event.id)
        key = event.key if _CONVERSATION.fullmatch(event.key) else ""
        return road.open_turn(utterance, turn_id, utterance.conversation_id or key or turn_id)
