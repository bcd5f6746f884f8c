"""Where in a recording somebody speaks: level first, then Silero VAD (the ONNX model that faster-whisper carries)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from faster_whisper.vad import get_vad_model

from services.asr.engine.interface import SAMPLE_RATE, Samples

_FRAME = 512  # samples the detector judges at a time: 32 ms
_SPEECH = 0.5  # probability from which a frame counts as speech
_LONGEST_PAUSE = 2.0  # seconds; longer pauses are cut out of what is decoded
_MARGIN = 0.4  # seconds kept around speech
_WARM_UP = SAMPLE_RATE // 10  # zeros before a recording: without them the detector misses words cut tight
_SILENCE = SAMPLE_RATE // 5
_LEVEL = 0.5  # peak at which the detector and the recogniser hear a recording
_QUIETEST = 10 ** (-80 / 20)  # peak below which nothing is amplified


@dataclass(frozen=True, slots=True)
class Span:
    """Samples [start, end) of a recording; the voice in it sets in at `onset`."""

    start: int
    end: int
    onset: int


@dataclass(frozen=True, slots=True)
class Speech:
    """The parts of a recording that hold speech, and how long somebody really speaks in them."""

    spans: tuple[Span, ...]
    seconds: float


def loudness(samples: Samples) -> float:
    """Level of the loudest 32 ms, in dB relative to full scale; -inf for digital silence."""
    padded = np.pad(samples, (0, -len(samples) % _FRAME))
    power = float(np.square(padded.reshape(-1, _FRAME)).mean(axis=1).max())
    return 10 * float(np.log10(power)) if power > 0 else -np.inf


def levelled(samples: Samples) -> Samples:
    """The recording at the level the models were made for; whispers and distant voices are raised to it."""
    peak = float(np.abs(samples).max())
    return samples * np.float32(_LEVEL / peak) if peak > _QUIETEST else samples


def find_speech(samples: Samples) -> Speech:
    """The spans of a (levelled) recording that hold speech, with margins, short pauses included."""
    padded = np.concatenate([np.zeros(_WARM_UP, np.float32), samples, np.zeros(_FRAME, np.float32)])
    padded = np.pad(padded, (0, -len(padded) % _FRAME))
    voiced = np.flatnonzero(get_vad_model()(padded).ravel() >= _SPEECH)
    if not len(voiced):
        return Speech((), 0.0)
    pauses = np.flatnonzero(np.diff(voiced) * _FRAME > _LONGEST_PAUSE * SAMPLE_RATE)
    starts = voiced[np.concatenate([[0], pauses + 1])] * _FRAME - _WARM_UP
    ends = (voiced[np.concatenate([pauses, [len(voiced) - 1]])] + 1) * _FRAME - _WARM_UP
    margin = int(_MARGIN * SAMPLE_RATE)
    spans = tuple(
        Span(max(0, int(start) - margin), min(len(samples), int(end) + margin), max(0, int(start)))
        for start, end in zip(starts, ends, strict=True)
    )
    return Speech(spans, len(voiced) * _FRAME / SAMPLE_RATE)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a span begins in joined samples, what to add to times within it, and its voice's limits; in seconds."""

    start: float
    offset: float
    onset: float
    end: float


@dataclass(frozen=True, slots=True)
class Joined:
    """Speech without its long pauses, and the way back to the recording's time."""

    samples: Samples
    places: tuple[_Place, ...]

    def original(self, start: float, end: float) -> tuple[float, float]:
        """When a word of the joined samples was said. A word belongs to the span it begins in.

        Whisper lets the first word begin with its window, and the last one before a pause reach over it.
        """
        place = [each for each in self.places if each.start <= start][-1:] or self.places[:1]
        offset, onset, last = place[0].offset, place[0].onset, place[0].end
        begins = min(max(onset, start + offset), last)
        return begins, min(max(begins, end + offset), last)


def join(samples: Samples, spans: Sequence[Span]) -> Joined:
    """The spans one after another, with silence before and behind speech that is cut tight.

    Whisper takes a word without any silence around it for no speech at all.
    """
    silence = np.zeros(_SILENCE, np.float32)
    parts = [silence[: _SILENCE if spans[0].start == 0 else 0]]
    places = []
    at = len(parts[0])
    for span in spans:
        parts.append(samples[span.start : span.end])
        counts = (at, span.start - at, span.onset, span.end)
        places.append(_Place(*(count / SAMPLE_RATE for count in counts)))
        at += span.end - span.start
    if spans[-1].end == len(samples):
        parts.append(silence)
    return Joined(np.concatenate(parts), tuple(places))
