"""From a reader's logits to a confidence that means what it says, and to in or out of scope.

Temperature scaling after Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks" (2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from services.nlu.model.labels import Labels
from services.nlu.model.reading import Floats

_TEMPERATURES = np.geomspace(0.2, 5.0, 84)
_THRESHOLDS = np.linspace(0.35, 0.6, 26)  # below it would be a guess, above it would refuse what is likelier right
_MOST_REJECTED = 0.03  # of the held-out sentences in scope; less than what is promised, as they are few
_NEARLY = 0.02  # less than what chance makes of some hundred held-out sentences


@dataclass(frozen=True, slots=True)
class Calibration:
    """`temperature` divides logits; below `threshold` the best intent is out of scope.

    `energy`: where it is set, it decides in the threshold's place, see `energies`.
    """

    temperature: float = 1.0
    threshold: float = 0.5
    energy: float | None = None

    def outside(self, labels: Labels, logits: Floats, score: Floats) -> npt.NDArray[np.bool_]:
        """Whether texts are out of scope: of their `logits` and the probability `score` of the best intent in scope."""
        if self.energy is not None:
            return np.asarray(energies(labels, logits) < self.energy)
        return np.asarray(score < self.threshold)

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
    temperature = _temperature(labels, logits, intents)
    wanted = _wanted(labels, intents)
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


def calibrate_to(labels: Labels, logits: Floats, intents: Sequence[str]) -> Calibration:
    """As `calibrate`, for data of any kind: the most that can be refused while 3 % at most is refused in scope.

    Probability and energy are both tried, and the better is kept. Data without sentences out of scope cannot say where
    to draw the line: then nothing is refused.
    """
    temperature = _temperature(labels, logits, intents)
    outside = _wanted(labels, intents) == labels.out_of_scope
    if not outside.any() or outside.all():
        return Calibration(temperature, 0.0)
    _, score = best_in_scope(labels, Calibration(temperature).probabilities(logits))
    energy = energies(labels, logits)
    least_score, least_energy = (float(np.quantile(each[~outside], _MOST_REJECTED)) for each in (score, energy))
    if (energy[outside] < least_energy).mean() >= (score[outside] < least_score).mean():
        return Calibration(temperature, least_score, least_energy)
    return Calibration(temperature, least_score)


def energies(labels: Labels, logits: Floats) -> Floats:
    """How much speaks for any intent in scope: high for what a model serves.

    The free energy of Liu, Wang, Owens and Li, "Energy-based Out-of-distribution Detection" (2020), with its sign
    turned, over the intents in scope. The logit of the out-of-scope class is left out: it learns from the few sentences
    there are, and on CLINC150 the line is sharper without it.
    """
    inside = np.delete(logits, labels.out_of_scope, axis=-1)
    most = inside.max(axis=-1, keepdims=True)
    result: Floats = np.log(np.exp(inside - most).sum(axis=-1)) + most.squeeze(-1)
    return result


def _wanted(labels: Labels, intents: Sequence[str]) -> npt.NDArray[np.int64]:
    return np.array([labels.intents.index(intent) for intent in intents])


def _temperature(labels: Labels, logits: Floats, intents: Sequence[str]) -> float:
    """The temperature with the least negative log likelihood."""
    wanted = _wanted(labels, intents)
    rows = np.arange(len(wanted))

    def surprise(temperature: float) -> float:
        shares = Calibration(temperature).probabilities(logits)
        return float(-np.log(shares[rows, wanted] + 1e-9).mean())

    return float(min(_TEMPERATURES, key=surprise))


def best_in_scope(labels: Labels, shares: Floats) -> tuple[np.ndarray, Floats]:
    """Of rows of probabilities: the best intent that a pack serves, and its probability."""
    inside = shares.copy()
    inside[..., labels.out_of_scope] = -1.0
    best = inside.argmax(axis=-1)
    score: Floats = np.take_along_axis(inside, np.expand_dims(best, -1), axis=-1).squeeze(-1)
    return best, score
