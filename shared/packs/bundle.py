"""A pack as an artifact: a folder with a manifest that names every file's hash, fetched from anywhere."""

from __future__ import annotations

import shutil
from pathlib import Path

from shared.artifacts import Artifact, Description, Signature, load_artifact, write_artifact
from shared.packs.model import Pack

TASK = "domain-pack"
_LANGUAGES = "languages"


def bundle(pack: Pack, target: Path) -> Artifact:
    """Write `pack` with a manifest into the new folder `target`, ready to be copied to any store."""

    def fill(folder: Path) -> Description:
        shutil.copytree(pack.path, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))
        return Description(
            name=pack.name,
            version=pack.version,
            base_model="",
            task=TASK,
            lineage={"digest": pack.digest, _LANGUAGES: list(pack.languages)},
            metrics={},
            signature=Signature(),
        )

    return write_artifact(target, fill)


def fetched(uri: str) -> Path:
    """The folder of the pack at `uri`, every file's hash checked; raises InvalidArtifact or Unavailable."""
    return load_artifact(uri, task=TASK).path
