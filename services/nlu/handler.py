"""Transcripts in, understandings out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from parley.v1 import asr_pb2, models_pb2, nlu_pb2, stage_pb2, turn_pb2
from services.nlu.engine import NONE
from services.nlu.hypotheses import best, is_doubtful, rivals
from services.nlu.language import detect
from services.nlu.understander import Understander
from shared import topology
from shared.errors import InvalidEvent
from shared.events import Event, Outgoing
from shared.runtime import road

_WITH_TEXT = (asr_pb2.TRANSCRIPT_OUTCOME_RECOGNIZED, asr_pb2.TRANSCRIPT_OUTCOME_TYPED)


class TranscriptHandler:
    """Understands the text of a turn. A turn without text goes on, for dialogue to ask again."""

    def __init__(self, understander: Understander) -> None:
        self._understander = understander

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """The same turn on `parley.understandings`."""
        if not isinstance(event.body, turn_pb2.Turn):
            raise InvalidEvent("body", event.type, "is no turn; send a parley.v1.Turn")
        turn = turn_pb2.Turn()
        turn.CopyFrom(event.body)
        if not turn.HasField("transcript") and turn.utterance.WhichOneof("content") == "text":
            _write_typed(turn)
        transcript = turn.transcript
        if transcript.outcome not in _WITH_TEXT or not transcript.text.strip():
            language = transcript.language or turn.utterance.locale.split("-")[0].lower()
            turn.understanding.CopyFrom(nlu_pb2.Understanding(language=language, decided_by=NONE))
            return [road.forward(event, turn, stage_pb2.STAGE_NLU, topology.UNDERSTANDINGS, engine_seconds=0.0)]
        # A redelivered event must give the same "tomorrow", so the clock is the event's, not the machine's.
        said = turn.utterance.said_at.ToDatetime(UTC) if turn.utterance.HasField("said_at") else event.time
        understood, seconds = self._understand(transcript, turn.utterance.locale, said)
        turn.understanding.CopyFrom(understood)
        model = models_pb2.ModelVersion(name="nlu", version=self._understander.version)
        return [
            road.forward(
                event,
                turn,
                stage_pb2.STAGE_NLU,
                topology.UNDERSTANDINGS,
                engine_seconds=seconds,
                models=[model],
            )
        ]

    def _understand(
        self, transcript: asr_pb2.Transcript, locale: str, said: datetime
    ) -> tuple[nlu_pb2.Understanding, float]:
        """What the transcript means, by the hypothesis that means something, and the engine's seconds."""
        first = self._understander.understand(transcript.text, locale, said)
        others = rivals(transcript) if is_doubtful(first.value) else []
        more = [self._understander.understand(text, locale, said) for text in others]
        chosen = best(first.value, [(text, each.value) for text, each in zip(others, more, strict=True)])
        return chosen, first.seconds + sum(each.seconds for each in more)


def _write_typed(turn: turn_pb2.Turn) -> None:
    text = turn.utterance.text
    turn.transcript.text = text
    turn.transcript.outcome = asr_pb2.TRANSCRIPT_OUTCOME_TYPED
    turn.transcript.confidence = 1.0
    turn.transcript.language = detect(text, turn.utterance.locale)
