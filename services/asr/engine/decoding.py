"""Encoded files to samples: any container libsndfile reads, any rate, any number of channels -> 16 kHz mono."""

from __future__ import annotations

import io

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.containers import shortfall
from services.asr.engine.interface import SAMPLE_RATE, Samples
from services.asr.engine.outcome import Unheard

LOWEST_RATE = 4_000  # below it, a recording holds less of a voice than a telephone does
MOST_CHANNELS = 16  # a microphone array; further channels are not listened to
_BLOCK = 1 << 18  # samples decoded at a time, over all channels: bounds memory whatever the header claims
_CANCELLED = 0.25  # channels that add up to less than this share of the loudest one are in opposite phase, or empty
_UNKNOWN_LENGTH = 1 << 48  # frames; libsndfile reports the largest number where a stream does not announce its length


def decode(data: bytes, max_seconds: float) -> Samples:
    """The samples of an encoded file, DC removed, not longer than `max_seconds`.

    Raises Unheard: EMPTY, TRUNCATED, NOT_AUDIO, TOO_LONG, or UNINTELLIGIBLE for a rate no voice fits in.
    """
    if not data:
        raise Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_EMPTY, "audio: 0 bytes; send a recording")
    if missing := shortfall(data):
        raise _truncated(missing)
    try:
        with soundfile.SoundFile(io.BytesIO(data)) as file:
            channels = _read(file, max_seconds)
    except soundfile.LibsndfileError as error:
        detail = f"audio: {len(data)} bytes that are no known container ({error.error_string.rstrip('.')})"
        remedy = "send WAV, FLAC, OGG or MP3"
        raise Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_NOT_AUDIO, f"{detail}; {remedy}") from error
    if not len(channels):
        raise Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_EMPTY, "audio: 0 samples; send a recording")
    return _mono(channels)


def _read(file: soundfile.SoundFile, max_seconds: float) -> NDArray[np.float32]:
    """All frames at SAMPLE_RATE, shape (frames, channels)."""
    if file.samplerate < LOWEST_RATE:
        detail = f"audio: a sample rate of {file.samplerate} Hz holds no speech; record at 8000 Hz or more"
        raise Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE, detail)
    most = int(max_seconds * file.samplerate)
    announced = file.frames if 0 <= file.frames < _UNKNOWN_LENGTH else 0
    if announced > most:
        raise _too_long(announced / file.samplerate, max_seconds)
    heard = min(file.channels, MOST_CHANNELS)
    resampler = soxr.ResampleStream(file.samplerate, SAMPLE_RATE, heard, dtype="float32")
    blocks: list[NDArray[np.float32]] = []
    frames = 0
    while True:
        try:
            block = file.read(max(1, _BLOCK // file.channels), dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            raise _truncated(f"decoding stopped after {frames} of {announced} samples ({error})") from error
        frames += len(block)
        if frames > most:
            raise _too_long(frames / file.samplerate, max_seconds)
        last = len(block) == 0
        blocks.append(resampler.resample_chunk(np.ascontiguousarray(block[:, :heard]), last=last).reshape(-1, heard))
        if last:
            break
    if frames < announced:
        raise _truncated(f"{announced} samples are announced, {frames} are there")
    return np.concatenate(blocks)


def _mono(channels: NDArray[np.float32]) -> Samples:
    """The mean of the channels; the loudest one where the mean cancels out. Peak at 1 or below, no DC."""
    channels = np.nan_to_num(channels, copy=False, nan=0.0, posinf=1.0, neginf=-1.0)
    channels -= channels.mean(axis=0)
    mono = channels.mean(axis=1)
    if channels.shape[1] > 1:
        power = np.square(channels).mean(axis=0)
        if np.square(mono).mean() < _CANCELLED**2 * power.max():
            mono = channels[:, int(power.argmax())]
    peak = float(np.abs(mono).max())
    samples: Samples = np.ascontiguousarray(mono / peak if peak > 1.0 else mono, dtype=np.float32)
    return samples


def _truncated(missing: str) -> Unheard:
    detail = f"audio: the file breaks off ({missing}); send the whole recording"
    return Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_TRUNCATED, detail)


def _too_long(seconds: float, max_seconds: float) -> Unheard:
    detail = f"audio: {seconds:.1f} s or more; at most {max_seconds:g} s are heard, send a shorter recording"
    return Unheard(TranscriptOutcome.TRANSCRIPT_OUTCOME_TOO_LONG, detail, seconds)
