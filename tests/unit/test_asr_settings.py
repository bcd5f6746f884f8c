"""A model or a setting that cannot be used is refused by its name, its value and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.asr.engine import weights
from services.asr.service import load_engine
from services.asr.settings import AsrSettings
from shared.errors import InvalidArtifact, InvalidSettings

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("backend", "sphinx"),
        ("device", "tpu"),
        ("beam_size", "0"),
        ("max_audio_seconds", "many"),
        ("max_audio_bytes", "99999999999"),
        ("silence_dbfs", "3"),
    ],
)
def test_a_value_out_of_range_is_refused(monkeypatch: pytest.MonkeyPatch, field: str, value: str) -> None:
    monkeypatch.setenv(f"PARLEY_ASR_{field}".upper(), value)

    with pytest.raises(InvalidSettings, match=f"PARLEY_ASR_{field}".upper()) as caught:
        AsrSettings.load()
    assert value in str(caught.value)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match=r"PARLEY_ASR_MODEL.*is no folder"):
        load_engine(AsrSettings.load(model=str(tmp_path / "gone")))


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtifact, match="holds no weights"):
        load_engine(AsrSettings.load(model=str(tmp_path)))


@pytest.mark.parametrize("backend", ["faster-whisper", "transformers"])
def test_weights_of_another_kind_are_refused(tmp_path: Path, backend: str) -> None:
    (tmp_path / "model.bin").write_bytes(b"these are no weights")

    with pytest.raises(InvalidArtifact, match=r"asr\.model"):
        load_engine(AsrSettings.load(model=str(tmp_path), backend=backend))


def test_the_transformers_backend_needs_a_model() -> None:
    with pytest.raises(InvalidSettings, match="PARLEY_ASR_MODEL"):
        load_engine(AsrSettings.load(backend="transformers"))


def test_a_name_that_means_nothing_is_refused() -> None:
    with pytest.raises(InvalidSettings, match="no-such-size"):
        weights.ctranslate2_folder("no-such-size")


def test_the_version_follows_the_weights(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = weights.version_of(tmp_path, "openai/whisper-tiny")
    (tmp_path / "model.safetensors").write_bytes(b"two")

    assert first.startswith("whisper-tiny-")
    assert weights.version_of(tmp_path, "openai/whisper-tiny") != first
    assert weights.version_of(tmp_path, "mine").startswith("whisper-mine-")


def test_workers_share_the_threads() -> None:
    assert AsrSettings.load(cpu_threads=8, workers=2).threads_per_worker == 4
    assert AsrSettings.load(cpu_threads=1, workers=4).threads_per_worker == 1
    assert AsrSettings.load().threads_per_worker >= 1
