"""Is what the recogniser wrote down what somebody said?

Whisper always writes something: for noise "Thank you." or "you", for a steady tone the same word over and over. What it
says about its own certainty tells these apart; the limits are Whisper's own, checked on spoken commands and on noises.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.interface import Passage, Recognition
from services.asr.engine.outcome import Unheard

# What Whisper learned from subtitles and says where it hears nothing it knows; nobody says it to an assistant.
_SUBTITLES = re.compile(
    r"^(thank you|thanks)\b.*\bfor (watching|listening)\b|\bin (the|my|our) next video\b|\blike and subscribe\b"
    r"|\bsubscribe to (the|my|our) channel\b|\bamara\.org\b",
    re.IGNORECASE,
)
# The fastest speakers reach 25 letters a second, and detectors miss the edges of words.
_LETTERS_A_SECOND = 30
_SPARE_LETTERS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """From where on words count as heard."""

    no_speech_probability: float = 0.7  # above it, and uncertain of its words, the recogniser heard no speech
    certain_log_probability: float = -0.5  # words this certain stand even where it heard no speech
    least_log_probability: float = -1.0  # below it, words are guesses
    least_of_answer: float = -1.3  # the same of words that answer what was asked: one of few, and half known before
    most_compression: float = 2.4  # texts that compress better than this repeat themselves


def judge(recognition: Recognition, limits: Limits, speech_seconds: float) -> tuple[Passage, ...]:
    """The passages somebody spoke in `speech_seconds`. Raises Unheard: NOISE or UNINTELLIGIBLE."""
    written = [passage for passage in recognition.passages if any(letter.isalnum() for letter in passage.text)]
    if not written:
        raise _noise("no words in it")
    kept = [passage for passage in written if compression(passage.text) <= limits.most_compression]
    if not kept:
        raise _unintelligible("the same words over and over")
    letters = sum(len(passage.text) for passage in kept)
    if letters > _SPARE_LETTERS + _LETTERS_A_SECOND * speech_seconds:
        raise _unintelligible(f"{letters} letters in {speech_seconds:.1f} s, faster than anyone speaks")
    certainty = mean_log_probability(kept)
    no_speech = _mean_no_speech(kept)
    if no_speech > limits.no_speech_probability and certainty < limits.certain_log_probability:
        raise _noise(f"a no-speech probability of {no_speech:.2f}")
    answers = recognition.weighing is not None and recognition.weighing.answers
    least = min(limits.least_log_probability, limits.least_of_answer) if answers else limits.least_log_probability
    if certainty < least:
        raise _unintelligible(f"a mean log-probability of {certainty:.2f}, under {least:g}")
    if _SUBTITLES.search(" ".join(passage.text for passage in kept)):
        raise _unintelligible("words of film subtitles, which the model writes where it understands nothing")
    return tuple(kept)


def mean_log_probability(passages: Sequence[Passage]) -> float:
    """Mean over all tokens."""
    tokens = sum(passage.tokens for passage in passages)
    return sum(passage.log_probability * passage.tokens for passage in passages) / max(1, tokens)


def compression(text: str) -> float:
    """How much shorter DEFLATE makes a text."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))


def _mean_no_speech(passages: Sequence[Passage]) -> float:
    told = [(p.no_speech_probability, p.tokens) for p in passages if p.no_speech_probability is not None]
    return sum(probability * tokens for probability, tokens in told) / max(1, sum(tokens for _, tokens in told))


def _noise(found: str) -> Unheard:
    detail = f"audio: {found}; speak closer to the microphone"
    return Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_NOISE, detail)


def _unintelligible(found: str) -> Unheard:
    detail = f"audio: {found}; say it again, more clearly"
    return Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE, detail)
