"""Model artifacts: a folder of files with a manifest that says what they are and proves that they are unaltered.

`manifest.json` holds `format`, `name`, `version`, `base_model`, `task`, `files` (path -> sha256), `lineage` (what it
was trained on), `metrics` and `signature` (inputs and outputs). Versions are immutable: another content is another
version.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

import fsspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidArtifact, Unavailable

MANIFEST = "manifest.json"
FORMAT = 1
_CHUNK = 1 << 20
_STAGING = ".staging-"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a model takes and gives: names and what they hold, in words."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Description:
    """All that a manifest says, but for the files."""

    name: str  # of the model: "nlu"
    version: str
    base_model: str
    task: str  # what kind of engine can load it: "intent-and-slots"
    lineage: Mapping[str, Any]
    metrics: Mapping[str, float]
    signature: Signature


@dataclass(frozen=True, slots=True)
class Artifact:
    """An artifact whose files were checked, in a local folder."""

    path: Path
    description: Description
    files: Mapping[str, str]  # relative path -> sha256, lower-case hex

    @property
    def version(self) -> str:
        """Shorthand for the description's version."""
        return self.description.version


class _Signature(BaseModel):
    model_config = ConfigDict(extra="ignore")

    inputs: dict[str, str]
    outputs: dict[str, str]


class _Manifest(BaseModel):
    """The manifest as it stands in the file."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(min_length=1)
    version: str = Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")
    base_model: str
    task: str = Field(min_length=1)
    files: dict[str, str] = Field(min_length=1)
    lineage: dict[str, Any]
    metrics: dict[str, float]
    signature: _Signature


def write_artifact(target: Path, fill: Callable[[Path], Description]) -> Artifact:
    """Make the artifact `target` whole or not at all: `fill` writes its files into a folder beside it.

    Where another process was first, its artifact stands and is returned.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f"{_STAGING}{target.name}-", dir=target.parent))
    try:
        description = fill(staging)
        files = {
            file.relative_to(staging).as_posix(): _sha256(file) for file in sorted(staging.rglob("*")) if file.is_file()
        }
        manifest = {
            "format": FORMAT,
            "name": description.name,
            "version": description.version,
            "base_model": description.base_model,
            "task": description.task,
            "files": files,
            "lineage": dict(description.lineage),
            "metrics": dict(description.metrics),
            "signature": {
                "inputs": dict(description.signature.inputs),
                "outputs": dict(description.signature.outputs),
            },
        }
        (staging / MANIFEST).write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        staging.chmod(0o755)
        try:
            staging.rename(target)
        except OSError:
            if not (target / MANIFEST).is_file():
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return load_artifact(target, task=description.task)


def load_artifact(uri: str | Path, *, task: str, cache: Path | None = None) -> Artifact:
    """The artifact at `uri`, every file's hash checked; raises InvalidArtifact, or Unavailable for a silent store.

    `uri`: a folder, or anything fsspec reads (`s3://...`); what is not local is fetched once into `cache`. `task`: what
    the caller's engine can load.
    """
    system, root = _open(str(uri))
    local = "file" in (system.protocol if isinstance(system.protocol, tuple) else (system.protocol,))
    try:
        raw = system.cat_file(f"{root}/{MANIFEST}")
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise InvalidArtifact(
            MANIFEST, str(uri), "has no manifest; name the folder that holds manifest.json"
        ) from error
    except OSError as error:
        raise Unavailable(f"artifact {uri}: {error}") from error
    manifest = _read(raw)
    if manifest.task != task:
        raise InvalidArtifact("task", manifest.task, f"is another engine's; name an artifact whose task is {task}")
    for name in manifest.files:
        _check_name(name)
    folder = Path(root) if local else _fetch(system, root, manifest, raw, cache)
    for name, digest in manifest.files.items():
        file = folder / name
        if not file.is_file():
            raise InvalidArtifact(f"files.{name}", str(file), "is missing; fetch or train the artifact again")
        actual = _sha256(file)
        if actual != digest:
            raise InvalidArtifact(f"files.{name}", actual, f"is not {digest}, as the manifest says; it was altered")
    description = Description(
        name=manifest.name,
        version=manifest.version,
        base_model=manifest.base_model,
        task=manifest.task,
        lineage=manifest.lineage,
        metrics=manifest.metrics,
        signature=Signature(manifest.signature.inputs, manifest.signature.outputs),
    )
    return Artifact(folder, description, manifest.files)


def remove_leftovers(parent: Path) -> None:
    """Remove what a killed `write_artifact` left in `parent`; only while nobody writes there."""
    for folder in parent.glob(f"{_STAGING}*"):
        shutil.rmtree(folder, ignore_errors=True)


def _open(uri: str) -> tuple[Any, str]:
    try:
        system, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError) as error:
        raise InvalidArtifact("uri", uri, f"cannot be read: {error}; use a folder or a scheme fsspec knows") from error
    return system, cast(str, root).rstrip("/")


def _read(raw: bytes) -> _Manifest:
    try:
        content = json.loads(raw)
    except ValueError as error:
        raise InvalidArtifact(MANIFEST, raw[:40], f"is not JSON: {error}") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        found = content.get("format") if isinstance(content, dict) else content
        raise InvalidArtifact("format", found, f"is a manifest format Parley does not read; it reads {FORMAT}")
    try:
        return _Manifest.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        value = None if first["type"] == "missing" else first["input"]
        raise InvalidArtifact(place, value, f"is refused: {first['msg']}; write the manifest again") from error


def _check_name(name: str) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise InvalidArtifact("files", name, "leads out of the artifact; use relative paths")


def _fetch(system: Any, root: str, manifest: _Manifest, raw: bytes, cache: Path | None) -> Path:
    """A local copy of a remote artifact; one already there is not fetched again."""
    parent = cache or Path(tempfile.gettempdir()) / "parley-artifacts"
    target = parent / f"{manifest.name}-{manifest.version}-{hashlib.sha256(raw).hexdigest()[:12]}"
    if (target / MANIFEST).is_file():
        return target
    parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=_STAGING, dir=parent))
    try:
        for name in manifest.files:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            system.get_file(f"{root}/{name}", str(staging / name))
        (staging / MANIFEST).write_bytes(raw)
        if not target.exists():
            staging.rename(target)
    except FileNotFoundError as error:
        raise InvalidArtifact("files", str(error), "is missing; upload the artifact again") from error
    except OSError as error:
        raise Unavailable(f"artifact {root}: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return target


def _sha256(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
