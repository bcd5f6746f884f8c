"""Hears the recordings of a manifest and counts what was heard wrongly, by words and by characters (jiwer)."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import jiwer

from parley.v1 import asr_pb2
from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.interface import Expected
from services.asr.engine.listener import Listener
from services.asr.evaluation.manifest import Recording
from services.asr.evaluation.spelling import comparable


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The figures. `wer` and `cer`: errors by words and by characters; `empty`: recordings without any words."""

    wer: float
    cer: float
    errors: int  # words substituted, left out and added
    words: int  # in what was said
    real_time_factor: float  # seconds of hearing for a second of sound
    empty: int
    clips: int  # heard, with or without a text to compare
    compared: int
    chosen: dict[str, int] = field(default_factory=dict)  # plain, biased, without_context
    wrong: tuple[tuple[str, str, str], ...] = ()  # file, what was said, what was heard; worst first


def evaluate(
    listener: Listener,
    recordings: Sequence[Recording],
    expected: Expected | None,
    *,
    on_heard: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Hear every recording where this is `expected`. Raises Unavailable, Overloaded."""
    pairs: list[tuple[str, str, str]] = []
    chosen: Counter[str] = Counter()
    sound = empty = 0.0
    started = time.perf_counter()
    for recording in recordings:
        audio = asr_pb2.Audio(data=recording.audio.read_bytes())
        heard = listener.transcribe(audio, recording.language, expected)
        transcript = heard.transcript
        sound += transcript.audio_seconds
        empty += not transcript.text
        chosen[heard.weighing.chosen if heard.weighing else "without_context"] += 1
        said = comparable(recording.text, recording.language) if recording.text is not None else ""
        if said:
            written = comparable(transcript.text, recording.language)
            nothing = f"[{TranscriptOutcome.Name(transcript.outcome).removeprefix('TRANSCRIPT_OUTCOME_').lower()}]"
            pairs.append((recording.audio.name, said, written or nothing))
        on_heard()
    seconds = time.perf_counter() - started
    return _figures(pairs, len(recordings), int(empty), seconds / sound if sound else 0.0, chosen)


def _figures(
    pairs: Sequence[tuple[str, str, str]], clips: int, empty: int, real_time_factor: float, chosen: Counter[str]
) -> Evaluation:
    said = [each[1] for each in pairs]
    written = ["" if each[2].startswith("[") else each[2] for each in pairs]
    by_words = jiwer.process_words(said, written) if said else None
    by_characters = jiwer.process_characters(said, written) if said else None
    wrong = sorted((pair for pair in pairs if pair[1] != pair[2]), key=lambda pair: -jiwer.wer(pair[1], pair[2]))
    return Evaluation(
        wer=round(by_words.wer, 4) if by_words else 0.0,
        cer=round(by_characters.cer, 4) if by_characters else 0.0,
        errors=by_words.substitutions + by_words.deletions + by_words.insertions if by_words else 0,
        words=by_words.hits + by_words.substitutions + by_words.deletions if by_words else 0,
        real_time_factor=round(real_time_factor, 4),
        empty=empty,
        clips=clips,
        compared=len(pairs),
        chosen=dict(chosen),
        wrong=tuple(wrong),
    )
