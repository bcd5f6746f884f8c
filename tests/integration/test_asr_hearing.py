"""What the bundled model hears: real speech, whatever its container, and no words where nobody speaks."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import soxr

from parley.v1 import asr_pb2
from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.listener import Listener
from services.asr.service import build_listener
from services.asr.settings import AsrSettings
from shared.blobs import BlobStore
from tests.asr_sounds import RATE, clip, encoded, hum, silence, spoken, white_noise, without_speech

pytestmark = pytest.mark.integration

SAID = [
    "turn on the kitchen light",
    "set the bedroom light to blue",
    "lock the front door",
    "unlock the front door",
    "what is your return policy",
    "yes",
]
KITCHEN = "turn on the kitchen light"


@pytest.fixture(scope="module")
def blobs(tmp_path_factory: pytest.TempPathFactory) -> BlobStore:
    return BlobStore((tmp_path_factory.mktemp("blobs") / "kept").as_uri(), max_bytes=1_000_000)


@pytest.fixture(scope="module")
def listener(blobs: BlobStore) -> Iterator[Listener]:
    listener = build_listener(AsrSettings.load(max_audio_seconds=60, max_audio_bytes=2_000_000), blobs)
    listener.load()
    yield listener
    listener.close()


def heard(listener: Listener, data: bytes, locale: str = "") -> asr_pb2.Transcript:
    return listener.transcribe(asr_pb2.Audio(data=data), locale).transcript


def words(text: str) -> list[str]:
    return re.sub(r"[^a-z0-9' ]", " ", text.lower().replace("-", " ")).split()


def edits(said: Sequence[str], written: Sequence[str]) -> int:
    """Levenshtein distance over words."""
    row = list(range(len(written) + 1))
    for count, word in enumerate(said, 1):
        above, row[0] = row[0], count
        for place, other in enumerate(written, 1):
            above, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, above + (word != other))
    return row[-1]


def spoken_rows(shared_data: Path, name: str) -> list[dict[str, Any]]:
    """The recordings of one set, with what is said in them."""
    manifest = (shared_data / "speech" / "manifest.jsonl").read_text(encoding="utf-8")
    return [row for row in map(json.loads, manifest.splitlines()) if row["set"] == name]


def word_error_rate(listener: Listener, shared_data: Path, name: str) -> float:
    wrong = total = 0
    for row in spoken_rows(shared_data, name):
        said = words(row["text"])
        written = words(heard(listener, (shared_data / "speech" / row["audio"]).read_bytes(), "en").text)
        wrong, total = wrong + edits(said, written), total + len(said)
    return wrong / total


@pytest.mark.parametrize("said", SAID)
def test_spoken_commands_are_written_down_word_for_word(listener: Listener, said: str) -> None:
    transcript = heard(listener, clip(said.replace(" ", "_")))

    assert transcript.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_RECOGNIZED
    assert words(transcript.text) == said.split()
    assert transcript.language == "en"
    assert transcript.detail == ""
    assert 0.3 < transcript.confidence < 1
    assert transcript.hypotheses[0].text == transcript.text


def test_real_read_speech_is_heard(listener: Listener, shared_data: Path) -> None:
    assert word_error_rate(listener, shared_data, "pocketsphinx_librivox") < 0.12


def test_real_home_commands_are_heard_as_well_as_the_model_can(listener: Listener, shared_data: Path) -> None:
    # The bundled model is known for 0.34 on these without any context; 43 words leave some room for chance.
    assert word_error_rate(listener, shared_data, "rhasspy_commands") < 0.45


def test_words_have_times_within_the_recording(listener: Listener) -> None:
    transcript = heard(listener, encoded(np.concatenate([silence(2), spoken("lock_the_front_door"), silence(1)])))

    assert [word.text.strip(".").lower() for word in transcript.words] == ["lock", "the", "front", "door"]
    times = [time for word in transcript.words for time in (word.start_seconds, word.end_seconds)]
    assert times == sorted(times)
    assert 2.1 < times[0] < 2.6
    assert 3.0 < times[-1] < 4.2
    assert all(0 <= word.probability <= 1 for word in transcript.words)
    assert transcript.audio_seconds == pytest.approx(3 + len(spoken("lock_the_front_door")) / RATE, abs=0.01)


def test_times_hold_across_a_long_pause(listener: Listener) -> None:
    first, second = spoken("lock_the_front_door"), spoken("turn_on_the_kitchen_light")
    transcript = heard(listener, encoded(np.concatenate([first, silence(8), second])))

    assert words(transcript.text) == ["lock", "the", "front", "door", *KITCHEN.split()]
    assert transcript.words[3].end_seconds < len(first) / RATE
    assert transcript.words[4].start_seconds > len(first) / RATE + 7.5


def test_speech_longer_than_one_window_is_heard_to_its_end(listener: Listener, shared_data: Path) -> None:
    rows = [row for row in spoken_rows(shared_data, "pocketsphinx_librivox") for _ in range(2)]
    sounds = [soundfile.read(shared_data / "speech" / row["audio"], dtype="float32")[0] for row in rows]
    transcript = heard(listener, encoded(np.concatenate(sounds)))
    said = [word for row in rows for word in words(row["text"])]

    assert transcript.audio_seconds > 40
    assert edits(said, words(transcript.text)) < 0.2 * len(said)
    assert transcript.words[-1].end_seconds > transcript.audio_seconds - 1.5


@pytest.mark.parametrize(
    ("container", "subtype", "rate", "channels"),
    [
        ("WAV", "PCM_16", 8000, 1),
        ("WAV", "FLOAT", 48_000, 2),
        ("WAV", "PCM_U8", 22_050, 1),
        ("WAV", "ULAW", 8000, 1),
        ("FLAC", "PCM_24", 44_100, 2),
        ("OGG", "VORBIS", 44_100, 1),
        ("OGG", "OPUS", 48_000, 2),
        ("MP3", "MPEG_LAYER_III", 44_100, 2),
        ("AIFF", "PCM_16", 48_000, 6),
    ],
)
def test_the_same_words_whatever_the_container_rate_and_channels(
    listener: Listener, container: str, subtype: str, rate: int, channels: int
) -> None:
    resampled = soxr.resample(spoken(KITCHEN.replace(" ", "_")), RATE, rate)
    data = encoded(np.stack([resampled] * channels, axis=1), rate, container, subtype)

    assert words(heard(listener, data).text) == KITCHEN.split()


@pytest.mark.parametrize("level", [0.02, 0.2, 1.0])
def test_quiet_and_loud_voices_are_heard(listener: Listener, level: float) -> None:
    samples = spoken(KITCHEN.replace(" ", "_"))
    data = encoded(level * samples / np.abs(samples).max(), subtype="FLOAT")

    assert words(heard(listener, data).text) == KITCHEN.split()


@pytest.mark.parametrize("background", [white_noise(10, 0.01), 0.2 * hum(50, 10, 6)], ids=["noise", "mains hum"])
def test_a_voice_is_heard_over_some_noise(listener: Listener, background: np.ndarray) -> None:
    samples = spoken(KITCHEN.replace(" ", "_"))

    assert words(heard(listener, encoded(samples + background[: len(samples)])).text) == KITCHEN.split()


@pytest.mark.parametrize("sound", without_speech())
def test_sounds_without_speech_get_no_words(listener: Listener, sound: str) -> None:
    transcript = heard(listener, encoded(without_speech()[sound]))

    assert transcript.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_NOISE, transcript
    assert (transcript.text, len(transcript.words), len(transcript.hypotheses)) == ("", 0, 0)
    assert "; speak" in transcript.detail


def test_hums_and_melodies_of_any_pitch_get_no_words(listener: Listener) -> None:
    for hertz, harmonics in itertools.product((50, 100, 150, 220), (1, 3, 8, 20)):
        assert heard(listener, encoded(hum(hertz, 1.0, harmonics))).text == "", (hertz, harmonics)


@pytest.mark.parametrize("samples", [silence(2), silence(2) + np.float32(0.3), white_noise(2, 1e-5)])
def test_silence_is_called_silence(listener: Listener, samples: np.ndarray) -> None:
    transcript = heard(listener, encoded(samples, subtype="FLOAT"))

    assert transcript.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_SILENCE
    assert "check that the microphone is on" in transcript.detail
    assert transcript.audio_seconds == 2


_SPEECH = encoded(spoken("lock_the_front_door"), container="OGG")


@pytest.mark.parametrize(
    ("data", "locale", "outcome", "detail"),
    [
        (b"", "", "EMPTY", "audio: 0 bytes; send"),
        (encoded(silence(0)), "", "EMPTY", "audio: 0 samples; send"),
        (_SPEECH[:-100], "", "TRUNCATED", "the file breaks off"),
        (clip("yes")[:-3000], "", "TRUNCATED", "the file breaks off"),
        (b"this is a letter", "", "NOT_AUDIO", "16 bytes that are no known container"),
        (_SPEECH, "zh-CN", "UNSUPPORTED_LOCALE", "locale: 'zh-CN' is none that whisper-tiny.en"),
        (_SPEECH, "cmn", "UNSUPPORTED_LOCALE", "set PARLEY_ASR_MODEL"),
        (encoded(silence(61)), "", "TOO_LONG", "at most 60 s"),
        (encoded(silence(62.6)), "", "TOO_LONG", "over the limit of 2000000"),
        (encoded(white_noise(1, 0.1), 1000), "", "UNINTELLIGIBLE", "1000 Hz"),
    ],
)
def test_what_cannot_be_heard_is_told_with_a_remedy(
    listener: Listener, data: bytes, locale: str, outcome: str, detail: str
) -> None:
    transcript = heard(listener, data, locale)

    assert TranscriptOutcome.Name(transcript.outcome) == f"TRANSCRIPT_OUTCOME_{outcome}"
    assert detail in transcript.detail
    assert transcript.text == ""
    assert transcript.confidence == 0


@pytest.mark.parametrize("locale", ["", "en", "en-GB", "EN-us"])
def test_english_in_any_spelling_is_spoken(listener: Listener, locale: str) -> None:
    assert words(heard(listener, clip("yes"), locale).text) == ["yes"]


def test_other_languages_are_rarely_taken_for_english(listener: Listener, shared_data: Path) -> None:
    folder = shared_data / "speech" / "audio" / "picovoice_multilingual_commands"
    foreign = [file for file in sorted(folder.glob("*.flac")) if not file.stem.endswith("_en")]
    outcomes = [heard(listener, file.read_bytes()).outcome for file in foreign]

    refused = [outcome for outcome in outcomes if outcome != TranscriptOutcome.TRANSCRIPT_OUTCOME_RECOGNIZED]
    assert len(refused) >= 0.7 * len(foreign)


def test_a_claim_check_is_fetched(listener: Listener, blobs: BlobStore) -> None:
    audio = asr_pb2.Audio(claim_check=blobs.put(clip("yes")))

    assert words(listener.transcribe(audio).transcript.text) == ["yes"]


@pytest.mark.parametrize(
    ("uri", "sha256", "outcome", "detail"),
    [
        ("s3://bucket/secret.wav", None, "UNREADABLE", "audio.claim_check.uri: 's3://bucket/secret.wav' is under no"),
        ("file:///etc/passwd", None, "UNREADABLE", "PARLEY_BLOBS_ALLOWED_PREFIXES"),
        (None, "0" * 64, "UNREADABLE", "audio.claim_check.sha256"),
        ("gone", None, "UNREADABLE", "is not there (any more)"),
        ("large", None, "TOO_LONG", "over the limit of 1000000 bytes"),
    ],
)
def test_a_claim_check_that_cannot_be_honoured_is_told(
    listener: Listener, blobs: BlobStore, uri: str | None, sha256: str | None, outcome: str, detail: str
) -> None:
    claim = blobs.put(clip("yes"))
    if uri == "gone":
        claim.uri = claim.uri[:-1] + "-"
    elif uri == "large":
        claim.size_bytes = 1_000_001
    else:
        claim.uri, claim.sha256 = uri or claim.uri, sha256 or claim.sha256

    transcript = listener.transcribe(asr_pb2.Audio(claim_check=claim)).transcript

    assert TranscriptOutcome.Name(transcript.outcome) == f"TRANSCRIPT_OUTCOME_{outcome}"
    assert detail in transcript.detail


def test_audio_is_replaced_by_a_claim_check_on_the_same_bytes(listener: Listener, blobs: BlobStore) -> None:
    audio = asr_pb2.Audio(data=clip("yes"), content_type="audio/flac")
    listener.keep(audio)

    assert audio.WhichOneof("source") == "claim_check"
    assert audio.claim_check.sha256 == hashlib.sha256(clip("yes")).hexdigest()
    assert audio.content_type == "audio/flac"
    assert blobs.get(audio.claim_check) == clip("yes")


def test_callers_at_the_same_time_each_get_their_own_words(listener: Listener) -> None:
    with ThreadPoolExecutor(6) as pool:
        heard_together = list(pool.map(lambda said: heard(listener, clip(said.replace(" ", "_"))).text, SAID))

    assert [" ".join(words(text)) for text in heard_together] == SAID


def test_the_same_recording_always_has_the_same_transcript(listener: Listener) -> None:
    assert heard(listener, clip("yes")) == heard(listener, clip("yes"))


def test_two_workers_hear_two_clips_at_once(blobs: BlobStore) -> None:
    listener = build_listener(AsrSettings.load(workers=2, cpu_threads=2), blobs)
    listener.load()
    try:
        with ThreadPoolExecutor(4) as pool:
            texts = list(pool.map(lambda said: heard(listener, clip(said.replace(" ", "_"))).text, SAID[:4]))
    finally:
        listener.close()

    assert [" ".join(words(text)) for text in texts] == SAID[:4]
