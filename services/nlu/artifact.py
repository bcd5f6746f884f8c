"""What an artifact of the nlu service holds, and how it is read back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from services.nlu.corpus import LANGUAGES, OUT_OF_SCOPE
from services.nlu.model import Labels, Reader
from services.nlu.model.calibration import Calibration
from shared.artifacts import Artifact, Signature
from shared.errors import InvalidArtifact

NAME = "nlu"
TASK = "intent-and-slots"
SIGNATURE = Signature(
    inputs={"text": "string, normalised", "language": "en or zh"},
    outputs={"intents": "logits over labels.json's intents", "spans": "slot, start, end, confidence"},
)


@dataclass(frozen=True, slots=True)
class Models:
    """The readers of an artifact with their calibration, by language.

    `domains`: of intents that are of no pack, as a model has that learnt from labelled sentences.
    """

    version: str
    labels: Labels
    readers: dict[str, Reader]
    calibrations: dict[str, Calibration]
    domains: dict[str, str] = field(default_factory=dict)


def load_models(artifact: Artifact) -> Models:
    """Read the models of a checked artifact; raises InvalidArtifact for one that lacks a part."""
    # Imported here: who only asks for labels or versions needs no torch.
    from services.nlu.model.chinese import ChineseReader
    from services.nlu.model.english import EnglishReader

    listed = _read(artifact, "labels.json")
    labels = Labels(tuple(listed.get("intents", ())), tuple(listed.get("slots", ())))
    if OUT_OF_SCOPE not in labels.intents:
        raise InvalidArtifact("labels.json", labels.intents, f"has no {OUT_OF_SCOPE} intent; train the model again")
    try:
        fitted = _read(artifact, "calibration.json")
        calibrations = {language: Calibration(**values) for language, values in fitted.items()}
    except TypeError as error:
        raise InvalidArtifact(
            "calibration.json", fitted, f"is no calibration: {error}; train the model again"
        ) from error
    if not calibrations or set(calibrations) - set(LANGUAGES):
        remedy = f"has to be by language, of {' and '.join(LANGUAGES)}; train the model again"
        raise InvalidArtifact("calibration.json", sorted(calibrations), remedy)
    trained = {language for language in LANGUAGES if any(name.startswith(f"{language}/") for name in artifact.files)}
    if missing := trained - set(calibrations):
        remedy = f"lacks {', '.join(sorted(missing))}, which the model reads; train the model again"
        raise InvalidArtifact("calibration.json", sorted(calibrations), remedy)
    kinds: dict[str, type[EnglishReader] | type[ChineseReader]] = {"en": EnglishReader, "zh": ChineseReader}
    try:
        readers: dict[str, Reader] = {
            language: kinds[language].load(artifact.path / language, labels) for language in calibrations
        }
    except (OSError, KeyError, RuntimeError) as error:
        raise InvalidArtifact("files", str(artifact.path), f"cannot be loaded: {error}; train it again") from error
    return Models(artifact.version, labels, readers, calibrations, dict(listed.get("domains", {})))


def _read(artifact: Artifact, name: str) -> dict[str, Any]:
    if name not in artifact.files:
        raise InvalidArtifact(f"files.{name}", sorted(artifact.files), "is missing; train the model again")
    try:
        content: dict[str, Any] = json.loads((artifact.path / name).read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidArtifact(name, str(artifact.path), f"is not JSON: {error}; train the model again") from error
    return content
