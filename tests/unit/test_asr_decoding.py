"""Any rate, any number of channels, any container: the same 16 kHz mono, or the reason why not."""

from __future__ import annotations

import numpy as np
import pytest
import soxr
from hypothesis import given, settings
from hypothesis import strategies as st

from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.decoding import decode
from services.asr.engine.outcome import Unheard
from tests.asr_sounds import RATE, encoded, hum, silence, spoken, white_noise

pytestmark = pytest.mark.unit


def refusal(data: bytes, max_seconds: float = 60) -> Unheard:
    with pytest.raises(Unheard) as caught:
        decode(data, max_seconds)
    return caught.value


def likeness(one: np.ndarray, other: np.ndarray) -> float:
    """Correlation of what both have in common."""
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 96_000])
def test_every_sample_rate_becomes_sixteen_thousand(rate: int) -> None:
    tone = hum(300, 1, 3)
    samples = decode(encoded(soxr.resample(tone, RATE, rate), rate), 60)

    assert abs(len(samples) - RATE) <= 2
    assert likeness(samples, tone) > 0.99


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_U8"),
        ("WAV", "PCM_24"),
        ("WAV", "DOUBLE"),
        ("WAV", "ULAW"),
        ("WAV", "GSM610"),
        ("FLAC", "PCM_24"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "PCM_16"),
        ("CAF", "PCM_16"),
        ("W64", "PCM_16"),
    ],
)
def test_every_container_holds_the_same_speech(container: str, subtype: str) -> None:
    speech = spoken("turn_on_the_kitchen_light")
    samples = decode(encoded(speech, container=container, subtype=subtype), 60)

    assert abs(len(samples) - len(speech)) < RATE // 10
    assert np.sqrt(np.square(samples).mean()) == pytest.approx(np.sqrt(np.square(speech).mean()), rel=0.1)


@pytest.mark.parametrize("channels", [2, 6, 8])
def test_channels_are_averaged(channels: int) -> None:
    tone = hum(300, 1, 3)

    assert likeness(decode(encoded(np.stack([tone] * channels, axis=1)), 60), tone) > 0.99


def test_a_voice_on_one_of_many_channels_is_not_diluted() -> None:
    tone = hum(300, 1, 3)
    channels = np.zeros((len(tone), 8), np.float32)
    channels[:, 5] = tone

    assert np.abs(decode(encoded(channels), 60)).max() == pytest.approx(np.abs(tone).max(), rel=0.05)


def test_channels_in_opposite_phase_do_not_cancel_out() -> None:
    tone = hum(300, 1, 3)

    assert abs(likeness(decode(encoded(np.stack([tone, -tone], axis=1)), 60), tone)) > 0.99


def test_a_constant_offset_is_removed() -> None:
    assert np.abs(decode(encoded(silence(1) + np.float32(0.4)), 60)).max() < 1e-3


def test_samples_that_are_no_numbers_or_too_large_do_no_harm() -> None:
    tone = hum(300, 1, 3) * 20
    tone[100] = np.nan
    tone[200] = np.inf
    samples = decode(encoded(tone, subtype="FLOAT"), 60)

    assert np.isfinite(samples).all()
    assert np.abs(samples).max() <= 1


def test_nothing_is_empty() -> None:
    assert refusal(b"").outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_EMPTY
    assert refusal(encoded(silence(0))).outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_EMPTY


@pytest.mark.parametrize(
    "data", [b"hello, this is a letter", b"\x89PNG\r\n\x1a\n" + bytes(100), b"%PDF-1.7" * 50, b"\0" * 999]
)
def test_other_files_are_not_audio(data: bytes) -> None:
    refused = refusal(data)

    assert refused.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_NOT_AUDIO
    assert f"audio: {len(data)} bytes" in refused.detail
    assert "send WAV, FLAC, OGG or MP3" in refused.detail


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG", "MP3"])
@pytest.mark.parametrize("share", [0.95, 0.5, 0.05])
def test_a_file_that_breaks_off_is_truncated(container: str, share: float) -> None:
    data = encoded(white_noise(1, 0.1), container=container)
    refused = refusal(data[: int(len(data) * share)])

    assert refused.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_TRUNCATED
    assert "send the whole recording" in refused.detail


def test_a_recording_over_the_limit_is_refused_by_its_header() -> None:
    refused = refusal(encoded(silence(3)), max_seconds=2)

    assert refused.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_TOO_LONG
    assert "at most 2 s" in refused.detail
    assert refused.seconds == 3


def test_a_rate_no_voice_fits_in_is_refused() -> None:
    refused = refusal(encoded(white_noise(1, 0.1), rate=1000))

    assert refused.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE
    assert "1000 Hz" in refused.detail


@given(st.binary(max_size=400), st.sampled_from(["WAV", "FLAC", "OGG", "MP3"]), st.integers(0, 2000))
@settings(max_examples=60, deadline=None)
def test_altered_bytes_are_decoded_or_refused_with_an_outcome(noise: bytes, container: str, place: int) -> None:
    data = encoded(white_noise(0.5, 0.1), container=container)
    altered = data[:place] + noise + data[place + len(noise) :]
    try:
        samples = decode(altered, 60)
    except Unheard as refused:
        assert refused.detail.startswith("audio: ")
    else:
        assert np.isfinite(samples).all()
