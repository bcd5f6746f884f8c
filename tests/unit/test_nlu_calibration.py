"""Where the line between in and out of scope is drawn."""

from __future__ import annotations

import numpy as np

from services.nlu.corpus import OUT_OF_SCOPE
from services.nlu.model import Labels
from services.nlu.model.calibration import best_in_scope, calibrate_to

LABELS = Labels((OUT_OF_SCOPE, "a", "b"), ())


def test_as_much_as_possible_is_refused_while_few_are_in_scope() -> None:
    rng = np.random.default_rng(1)
    inside = np.array([[-4.0, 4.0, 0.0]] * 100 + [[-4.0, 0.0, 4.0]] * 100) + rng.normal(0, 0.5, (200, 3))
    outside = np.array([[2.0, 0.0, 0.0]] * 50) + rng.normal(0, 0.5, (50, 3))
    logits = np.concatenate([inside, outside]).astype(np.float32)
    intents = ["a"] * 100 + ["b"] * 100 + [OUT_OF_SCOPE] * 50

    calibration = calibrate_to(LABELS, logits, intents)
    best, score = best_in_scope(LABELS, calibration.probabilities(logits))
    refused = calibration.outside(LABELS, logits, score)

    assert refused[200:].mean() > 0.95
    assert refused[:200].mean() <= 0.03
    assert (best[:100] == 1).all()


def test_without_sentences_out_of_scope_nothing_is_refused() -> None:
    logits = np.array([[0.0, 1.0, 0.9], [0.0, 0.9, 1.0]], dtype=np.float32)

    calibration = calibrate_to(LABELS, logits, ["a", "b"])
    _, score = best_in_scope(LABELS, calibration.probabilities(logits))

    assert not calibration.outside(LABELS, logits, score).any()
