"""The judge: do the best passages answer the question, or is the honest answer "not found"?

A logistic model over a few signals that do not depend on how many documents there are. Cosines of E5 are compressed
(0.75 to 0.9 for anything), so a question's best similarity is held against its similarity to everything else: to the
other passages and to background texts about the world at large. `services.knowledge.calibrate` fits the weights.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

WEIGHTS = Path(__file__).with_name("judge.json")
SAME_LANGUAGE = ("similarity", "lead", "coverage", "unknown")
OTHER_LANGUAGE = ("similarity", "contrast")  # translations share no words


@dataclass(frozen=True, slots=True)
class Signals:
    """What is known of a question and its best passage."""

    similarity: float  # cosine of the two
    lead: float  # similarity above the mean over all passages and background texts
    contrast: float  # similarity above the mean of the three nearest background texts
    coverage: float  # 0 to 1: share of the question's words that the passage has
    unknown: float  # 0 to 1: share of the question's words that no passage has


@dataclass(frozen=True, slots=True)
class Logistic:
    """Weights by the name of a signal, and a bias."""

    weights: Mapping[str, float]
    bias: float

    def certainty(self, signals: Signals) -> float:
        """0 to 1."""
        logit = self.bias + sum(weight * float(getattr(signals, name)) for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-60.0, min(60.0, logit))))


@dataclass(frozen=True, slots=True)
class Judge:
    """How certain it is that a passage answers a question."""

    same_language: Logistic
    other_language: Logistic

    @classmethod
    def load(cls, file: Path = WEIGHTS) -> Judge:
        """The judge as it was calibrated."""
        content = json.loads(file.read_text(encoding="utf-8"))
        return cls(*(Logistic(content[name]["weights"], content[name]["bias"]) for name in ("same", "other")))

    def certainty(self, signals: Signals, *, other_language: bool) -> float:
        """0 to 1: how certain it is that the passage answers the question."""
        return (self.other_language if other_language else self.same_language).certainty(signals)
