"""From an encoded recording to a transcript, or to the reason why there is none."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from parley.v1 import asr_pb2
from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.decoding import decode
from services.asr.engine.interface import (
    BIASED,
    PLAIN,
    SAMPLE_RATE,
    UNSPACED,
    Capabilities,
    Clip,
    Expected,
    Passage,
    Recognition,
    Samples,
    Weighing,
)
from services.asr.engine.judgement import Limits, judge, mean_log_probability
from services.asr.engine.outcome import Unheard
from services.asr.engine.speech import Joined, Speech, find_speech, join, levelled, loudness
from services.asr.engine.timbre import timbre
from shared.runtime.batcher import Timed

_CHOSEN = {PLAIN: asr_pb2.LISTENING_PLAIN, BIASED: asr_pb2.LISTENING_BIASED}
# Subtags clients use and Whisper calls by another name.
_OTHER_NAMES = {"cmn": "zh", "nb": "no", "fil": "tl", "jv": "jw", "iw": "he"}


@dataclass(frozen=True, slots=True)
class Hearing:
    """What is listened to, and from where on it counts as speech."""

    max_bytes: int = 16 * 1024 * 1024
    max_seconds: float = 120.0
    silence_dbfs: float = -60.0  # loudest 32 ms below it: silence
    least_speech_seconds: float = 0.15
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True)
class Transcribed:
    """A transcript, the seconds of work in it, and how it was chosen where something was expected."""

    transcript: asr_pb2.Transcript
    seconds: float
    weighing: Weighing | None = None


class Transcriber:
    """Hears recordings. Everything but the recognition itself is done in the caller's thread."""

    def __init__(
        self, capabilities: Capabilities, recognise: Callable[[Clip], Timed[Recognition]], hearing: Hearing
    ) -> None:
        self.capabilities = capabilities
        self._recognise = recognise
        self._hearing = hearing

    def transcribe(self, data: bytes, locale: str = "", expected: Expected | None = None) -> Transcribed:
        """Hear one encoded recording in `locale` (BCP 47; empty: the model decides), where this is expected."""
        started = time.perf_counter()
        try:
            return self._hear(data, self._language(locale), expected, started)
        except Unheard as unheard:
            transcript = asr_pb2.Transcript(
                outcome=unheard.outcome, detail=unheard.detail, audio_seconds=unheard.seconds
            )
            return Transcribed(transcript, time.perf_counter() - started)

    def _hear(self, data: bytes, language: str, expected: Expected | None, started: float) -> Transcribed:
        if len(data) > self._hearing.max_bytes:
            detail = f"audio: {len(data)} bytes, over the limit of {self._hearing.max_bytes}; send a shorter recording"
            raise Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_TOO_LONG, detail)
        samples = decode(data, self._hearing.max_seconds)
        seconds = len(samples) / SAMPLE_RATE
        try:
            speech, joined = self._speech(samples)
            prepared = time.perf_counter() - started
            recognised = self._recognise(
                Clip(joined.samples, language, expected if self.capabilities.biasing else None)
            )
            passages = judge(recognised.value, self._hearing.limits, speech.seconds)
        except Unheard as unheard:
            unheard.seconds = seconds
            raise
        transcript = _transcript(passages, recognised.value, joined, seconds)
        return Transcribed(transcript, prepared + recognised.seconds, recognised.value.weighing)

    def _speech(self, samples: Samples) -> tuple[Speech, Joined]:
        """What of a recording is worth recognising. Raises Unheard: SILENCE or NOISE."""
        seconds = len(samples) / SAMPLE_RATE
        level = loudness(samples)
        if level < self._hearing.silence_dbfs:
            detail = f"audio: at most {level:.0f} dB over {seconds:.1f} s; check that the microphone is on"
            raise Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_SILENCE, detail)
        samples = levelled(samples)
        speech = find_speech(samples)
        if speech.seconds < self._hearing.least_speech_seconds:
            raise _noise(f"{speech.seconds:.2f} s of speech in {seconds:.1f} s of sound")
        sound = timbre(samples, speech.spans)
        if sound.steady:
            raise _noise(f"a steady sound, its timbre changes by {sound.change:.1f} dB")
        if sound.tonal:
            raise _noise(f"a tone, {sound.lines} spectral lines hold it")
        return speech, join(samples, speech.spans)

    def _language(self, locale: str) -> str:
        """The language to decode; raises Unheard where the model does not speak it."""
        subtag = locale.partition("-")[0].lower()
        language = _OTHER_NAMES.get(subtag, subtag)
        if language and language not in self.capabilities.languages:
            spoken = ", ".join(sorted(self.capabilities.languages))
            remedy = "ask for one of those, or set PARLEY_ASR_MODEL to a Whisper that speaks it"
            detail = f"locale: {locale!r} is none that {self.capabilities.version} speaks ({spoken}); {remedy}"
            raise Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_UNSUPPORTED_LOCALE, detail)
        return language


def _noise(found: str) -> Unheard:
    return Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_NOISE, f"audio: {found}; speak to the microphone")


def _transcript(
    passages: tuple[Passage, ...], recognition: Recognition, joined: Joined, seconds: float
) -> asr_pb2.Transcript:
    language, weighing = recognition.language, recognition.weighing
    text = ("" if language in UNSPACED else " ").join(passage.text for passage in passages)
    certainty = mean_log_probability(passages)
    transcript = asr_pb2.Transcript(
        text=text,
        outcome=TranscriptOutcome.TRANSCRIPT_OUTCOME_RECOGNIZED,
        confidence=min(1.0, math.exp(certainty)),
        language=language,
        audio_seconds=seconds,
    )
    if weighing is not None and len(passages) == 1:
        transcript.listening.chosen = _CHOSEN[weighing.chosen]
        transcript.listening.reason = weighing.reason
        transcript.listening.plain_text = weighing.plain
        for each in weighing.weighed:
            transcript.hypotheses.add(
                text=each.text,
                log_probability=each.log_probability,
                source=_CHOSEN[each.source],
                acoustic=each.acoustic,
                fit=each.fit,
            )
    if not transcript.hypotheses:
        transcript.hypotheses.add(text=text, log_probability=certainty)
    if len(passages) == 1 and len(transcript.hypotheses) == 1:
        for other in passages[0].alternatives:
            transcript.hypotheses.add(text=other.text, log_probability=other.log_probability)
    for passage in passages:
        for word in passage.words:
            start, end = joined.original(word.start, word.end)
            transcript.words.add(text=word.text, start_seconds=start, end_seconds=end, probability=word.probability)
    return transcript
