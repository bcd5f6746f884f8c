"""What the user is taken to have said: transcript and understanding, read within the loaded packs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from parley.v1 import asr_pb2, dialogue_pb2, nlu_pb2
from services.dialogue.engine import phrases
from services.dialogue.engine.catalogue import Catalogue

# Intents of the conversation pack, which every deployment loads.
AFFIRM = "affirm"
DENY = "deny"
CANCEL = "cancel"
REPEAT = "repeat"
HELP = "help"
_CERTAIN_ENOUGH_TO_STOP = 0.5
_HEARD = (
    asr_pb2.TRANSCRIPT_OUTCOME_RECOGNIZED,
    asr_pb2.TRANSCRIPT_OUTCOME_TYPED,
    asr_pb2.TRANSCRIPT_OUTCOME_UNSPECIFIED,
)


@dataclass(frozen=True, slots=True)
class Heard:
    """One utterance, understood as far as it can be without the conversation."""

    turn_id: str
    at: datetime
    text: str
    language: str  # BCP 47 primary subtag
    intent: str  # of a loaded pack; empty when out of scope
    confidence: float
    slots: tuple[nlu_pb2.Slot, ...]
    tagged_as: str  # nlu's intent even where it is out of scope: what its slots' names belong to


def hear_parts(request: dialogue_pb2.DecideRequest, whole: Heard) -> tuple[Heard, ...]:
    """Each of several requests in one utterance, or nothing where it is one."""
    return tuple(
        replace(
            whole,
            text=part.text,
            intent=part.understanding.intent,
            confidence=part.understanding.confidence,
            slots=tuple(part.understanding.slots),
            tagged_as=part.understanding.intent,
        )
        for part in request.understanding.parts
    )


def unheard(request: dialogue_pb2.DecideRequest) -> str:
    """Why there is no text ("silence", "not_audio", ...), or empty where there is some."""
    outcome = request.transcript.outcome
    if outcome not in _HEARD:
        name = asr_pb2.TranscriptOutcome.Name(outcome)
        return name.removeprefix("TRANSCRIPT_OUTCOME_").lower()
    return "" if request.transcript.text.strip() else "empty"


def hear(request: dialogue_pb2.DecideRequest, catalogue: Catalogue, at: datetime) -> Heard:
    """Read an utterance. A bare yes, no or cancel is taken at its word, whatever nlu made of it."""
    understanding = request.understanding
    text = understanding.text.strip() or request.transcript.text.strip()
    known = understanding.intent in catalogue and not understanding.out_of_scope
    if understanding.intent == CANCEL and understanding.confidence < _CERTAIN_ENOUGH_TO_STOP:
        known = False
    switch = phrases.switch_word(text)
    return Heard(
        turn_id=request.turn_id,
        at=at,
        text=text,
        language=understanding.language or phrases.language_of(text),
        intent=switch or (understanding.intent if known else ""),
        confidence=1.0 if switch else understanding.confidence,
        slots=tuple(understanding.slots),
        tagged_as=understanding.intent,
    )
