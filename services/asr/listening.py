"""Hearing one utterance of a conversation: what is expected of it, its words, and how they were chosen."""

from __future__ import annotations

from parley.v1 import asr_pb2
from services.asr.engine.interface import Expected
from services.asr.engine.listener import Listener
from services.asr.engine.transcriber import Transcribed
from services.asr.expecting import Expecting
from services.asr.metrics import HEARD


def listen(
    listener: Listener, expecting: Expecting | None, audio: asr_pb2.Audio, locale: str, conversation_id: str
) -> Transcribed:
    """The transcript of `audio`. Raises Overloaded, Unavailable; all else is an outcome."""
    expectation = expecting.of_conversation(conversation_id, locale) if expecting is not None else None
    expected: Expected | None = expectation
    heard = listener.transcribe(audio, locale, expected)
    HEARD.labels(heard.weighing.chosen if heard.weighing else "without_context").inc()
    if expectation is not None and heard.transcript.HasField("listening"):
        listening = heard.transcript.listening
        listening.packs.extend(domain.pack.name for domain in expectation.domains)
        listening.expected = expectation.asked.kind if expectation.asked else ""
        listening.context_revision = expectation.revision
    return heard
