"""The transformers backend on real checkpoints: one that hears, and one that was never trained."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from transformers import GenerationConfig, WhisperConfig, WhisperFeatureExtractor, WhisperForConditionalGeneration
from transformers import WhisperProcessor as Processor

from parley.v1 import asr_pb2
from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.interface import Clip
from services.asr.engine.listener import Listener
from services.asr.service import build_listener, load_engine
from services.asr.settings import AsrSettings
from shared.blobs import BlobStore
from tests.asr_sounds import clip, encoded, silence, spoken, white_noise
from tests.integration.asr_checkpoint import END, NO_TIMESTAMPS, START, TRANSCRIBE, english_tokenizer, save_tiny_english

pytestmark = pytest.mark.integration

ENGLISH, CHINESE = 50258, 50259  # tokens of the bundled vocabulary


@pytest.fixture(scope="module")
def english(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_english(tmp_path_factory.mktemp("whisper") / "tiny-english")


@pytest.fixture(scope="module")
def listener(english: Path) -> Iterator[Listener]:
    settings = AsrSettings.load(backend="transformers", model=str(english))
    listener = build_listener(settings, BlobStore("memory://transformers"))
    listener.load()
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A multilingual Whisper with random weights, smaller than any that is published."""
    folder = tmp_path_factory.mktemp("whisper") / "untrained"
    config = WhisperConfig(
        vocab_size=51864,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        decoder_start_token_id=START,
        bos_token_id=END,
        eos_token_id=END,
        pad_token_id=END,
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        decoder_start_token_id=START,
        eos_token_id=END,
        pad_token_id=END,
        is_multilingual=True,
        lang_to_id={"<|en|>": ENGLISH, "<|zh|>": CHINESE},
        task_to_id={"transcribe": TRANSCRIBE},
        no_timestamps_token_id=NO_TIMESTAMPS,
        max_length=60,
    )
    model.save_pretrained(folder)
    Processor(WhisperFeatureExtractor(), english_tokenizer()).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


def heard(listener: Listener, data: bytes, locale: str = "") -> asr_pb2.Transcript:
    return listener.transcribe(asr_pb2.Audio(data=data), locale).transcript


def plain(text: str) -> str:
    return re.sub(r"[^a-z ]", "", text.lower()).strip()


@pytest.mark.parametrize("said", ["turn on the kitchen light", "what is your return policy", "unlock the front door"])
def test_a_checkpoint_in_hugging_face_s_format_hears(listener: Listener, said: str) -> None:
    transcript = heard(listener, clip(said.replace(" ", "_")), "en")

    assert plain(transcript.text) == said
    assert transcript.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_RECOGNIZED
    assert 0.5 < transcript.confidence <= 1
    assert transcript.language == "en"
    assert [plain(word.text) for word in transcript.words] == said.split()


def test_word_times_run_through_the_recording(listener: Listener) -> None:
    transcript = heard(listener, encoded(np.concatenate([silence(2), spoken("lock_the_front_door"), silence(1)])))
    times = [time for word in transcript.words for time in (word.start_seconds, word.end_seconds)]

    assert times == sorted(times)
    assert 2.1 < times[0] < 2.6
    assert 3.0 < times[-1] < 4.5


def test_speech_longer_than_one_window_is_cut_where_nobody_speaks(english: Path) -> None:
    engine = load_engine(AsrSettings.load(backend="transformers", model=str(english), beam_size=1))
    said = ["turn on the kitchen light", "what is your return policy", "lock the front door"]
    once = [part for each in said for part in (spoken(each.replace(" ", "_")), silence(1))]
    recognition = engine.recognise(Clip(np.concatenate(once * 4), "en"))

    first, second = recognition.passages
    assert all(each in plain(first.text) for each in said)
    assert any(each in plain(second.text) for each in said)
    assert first.words[-1].end <= 30
    assert second.words[0].start >= 20


def test_the_version_names_the_weights(listener: Listener) -> None:
    assert re.fullmatch(r"whisper-tiny-english-[0-9a-f]{8}", listener.version)


def test_noise_and_other_languages_have_their_outcomes(listener: Listener) -> None:
    noise = heard(listener, encoded(white_noise(2, 0.2)))
    chinese = heard(listener, clip("yes"), "zh")

    assert noise.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_NOISE
    assert chinese.outcome == TranscriptOutcome.TRANSCRIPT_OUTCOME_UNSUPPORTED_LOCALE


@pytest.mark.parametrize(("beam_size", "language"), [(1, "en"), (3, "zh"), (2, "")])
def test_a_multilingual_checkpoint_is_asked_for_the_language_or_decides_itself(
    untrained: Path, beam_size: int, language: str
) -> None:
    engine = load_engine(AsrSettings.load(backend="transformers", model=str(untrained), beam_size=beam_size))
    recognition = engine.recognise(Clip(spoken("yes"), language))

    assert engine.capabilities.multilingual
    assert engine.capabilities.languages == {"en", "zh"}
    assert recognition.language == language or (not language and recognition.language in ("en", "zh"))
    assert all(passage.log_probability < 0 and passage.tokens > 0 for passage in recognition.passages)


def test_what_an_untrained_model_babbles_is_not_taken_for_speech(untrained: Path) -> None:
    settings = AsrSettings.load(backend="transformers", model=str(untrained), beam_size=1)
    listener = build_listener(settings, BlobStore("memory://untrained"))
    listener.load()
    try:
        transcript = heard(listener, clip("turn_on_the_kitchen_light"), "zh-CN")
    finally:
        listener.close()

    assert transcript.outcome in (
        TranscriptOutcome.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE,
        TranscriptOutcome.TRANSCRIPT_OUTCOME_NOISE,
    )
    assert transcript.text == ""
