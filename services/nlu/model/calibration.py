"""From a reader's logits to a confidence that means what it says, and to in or out of scope.

Temperature scaling after Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.nlu.model.labels import Labels
from services.nlu.model.reading import Floats

_TEMPERATURES = np.geomspace(0.5, 5.0, 60)
_THRESHOLDS = np.linspace(0.35, 0.6, 26)  # below it would be a guess, above it would refuse what is likelier right
_NEARLY = 0.02  # less than what chance makes of some hundred held-out sentences


@dataclass(frozen=True, slots=True)
class Calibration:
    """`temperature` divides logits; below `threshold` the best intent is out of scope."""

    temperature: float = 1.0
    threshold: float = 0.5

    def probabilities(self, logits: Floats) -> Floats:
        """Calibrated probabilities, over the last axis."""
        scaled = logits / self.temperature
        scaled = scaled - scaled.max(axis=-1, keepdims=True)
        shares = np.exp(scaled)
        result: Floats = shares / shares.sum(axis=-1, keepdims=True)
        return result


def calibrate(labels: Labels, logits: Floats, intents: Sequence[str]) -> Calibration:
    """The temperature and threshold that fit held-out `logits` [texts, intents] best.

    The temperature has the least negative log likelihood; the threshold the best mean of two shares: sentences in scope
    that are given their intent, and sentences out of scope that are refused.
    """
    wanted = np.array([labels.intents.index(intent) for intent in intents])
    rows = np.arange(len(wanted))

    def surprise(temperature: float) -> float:
        shares = Calibration(temperature).probabilities(logits)
        return float(-np.log(shares[rows, wanted] + 1e-9).mean())

    temperature = float(min(_TEMPERATURES, key=surprise))
    shares = Calibration(temperature).probabilities(logits)
    outside = wanted == labels.out_of_scope
    best, score = best_in_scope(labels, shares)

    def worth(threshold: float) -> float:
        served = (score >= threshold) & (best == wanted)
        refused = score < threshold
        return float(served[~outside].mean() + refused[outside].mean()) / 2

    # Among those that are nearly as good, the lowest: a refusal costs a repetition, risky tasks are confirmed anyway.
    values = np.array([worth(threshold) for threshold in _THRESHOLDS])
    return Calibration(temperature, float(_THRESHOLDS[np.argmax(values >= values.max() - _NEARLY)]))


def best_in_scope(labels: Labels, shares: Floats) -> tuple[np.ndarray, Floats]:
    """Of rows of probabilities: the best intent that a pack serves, and its probability."""
    inside = shares.copy()
    inside[..., labels.out_of_scope] = -1.0
    best = inside.argmax(axis=-1)
    score: Floats = np.take_along_axis(inside, np.expand_dims(best, -1), axis=-1).squeeze(-1)
    return best, score
