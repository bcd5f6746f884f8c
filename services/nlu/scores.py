"""How well an artifact understands labelled sentences: the figures of `parley evaluate nlu`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from services.nlu.artifact import Models
from services.nlu.corpus import OUT_OF_SCOPE, Example
from services.nlu.model import Reader, Reading
from services.nlu.model.calibration import best_in_scope

_AT_ONCE = 64
_TIMED_ALONE = 200  # sentences, for the median of one
_BINS = 15  # of the calibration error, as in Guo et al. (2017)


@dataclass(frozen=True, slots=True)
class Judged:
    """One sentence: what was wanted, and what was understood. `intent` is the best in scope, also where refused."""

    example: Example
    intent: str
    confidence: float
    refused: bool
    right_slots: bool


@dataclass(frozen=True, slots=True)
class Scores:
    """Shares are 0 to 1, and None where the data cannot tell.

    `intent_accuracy`: of the sentences in scope, those whose best intent is the wanted one, refused or not;
    `frame_accuracy`: those that were not refused and have intent and every slot right; `slot_f1`: over whole spans;
    `ece`: expected calibration error of the confidence, in scope; `p50_ms`: one sentence alone.
    """

    intent_accuracy: float | None
    slot_f1: float | None
    frame_accuracy: float | None
    oos_recall: float | None
    in_scope_rejected: float | None
    oos_f1: float | None
    ece: float | None
    p50_ms: float
    utterances_per_s: float


def judge(
    models: Models, examples: Sequence[Example], advance: Callable[[int], None] = lambda _: None
) -> tuple[Scores, list[Judged]]:
    """Read `examples` and score them; `advance` is told how many more were read."""
    readings, seconds = _read(models, examples, advance)
    judged = [_judged(models, example, reading) for example, reading in zip(examples, readings, strict=True)]
    inside = [one for one in judged if one.example.intent not in ("", OUT_OF_SCOPE)]
    outside = [one for one in judged if one.example.intent == OUT_OF_SCOPE]
    right = [one.intent == one.example.intent for one in inside]
    whole = [one.right_slots and not one.refused and good for one, good in zip(inside, right, strict=True)]
    caught = sum(one.refused for one in outside)
    refused = caught + sum(one.refused for one in inside)
    scores = Scores(
        intent_accuracy=_share(right),
        slot_f1=_slot_f1(examples, readings),
        frame_accuracy=_share(whole),
        oos_recall=_share([one.refused for one in outside]),
        in_scope_rejected=_share([one.refused for one in inside]),
        oos_f1=round(2 * caught / (len(outside) + refused), 4) if outside else None,
        ece=_calibration_error([one.confidence for one in inside], right),
        p50_ms=round(1000 * _median_alone(models, examples), 2),
        utterances_per_s=round(len(examples) / seconds, 1),
    )
    return scores, judged


def _read(models: Models, examples: Sequence[Example], advance: Callable[[int], None]) -> tuple[list[Reading], float]:
    """Every reading in order, and the seconds they took, in batches of like length."""
    readings: dict[int, Reading] = {}
    began = time.perf_counter()
    for language in sorted({example.language for example in examples}):
        mine = [index for index, example in enumerate(examples) if example.language == language]
        mine.sort(key=lambda index: len(examples[index].text))
        for start in range(0, len(mine), _AT_ONCE):
            batch = mine[start : start + _AT_ONCE]
            texts = [examples[index].text for index in batch]
            readings.update(zip(batch, _reader(models, language).read(texts), strict=True))
            advance(len(batch))
    return [readings[index] for index in range(len(examples))], time.perf_counter() - began


def _reader(models: Models, language: str) -> Reader:
    """The reader of `language`; a model of one language reads everything by its only reader."""
    return models.readers.get(language) or next(iter(models.readers.values()))


def _median_alone(models: Models, examples: Sequence[Example]) -> float:
    times = []
    for example in examples[:: max(1, len(examples) // _TIMED_ALONE)]:
        began = time.perf_counter()
        _reader(models, example.language).read([example.text])
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _judged(models: Models, example: Example, reading: Reading) -> Judged:
    language = example.language if example.language in models.calibrations else next(iter(models.calibrations))
    calibration = models.calibrations[language]
    best, score = best_in_scope(models.labels, calibration.probabilities(reading.logits))
    wanted = {tuple(asdict(slot).values()) for slot in example.slots}
    return Judged(
        example,
        models.labels.intents[int(best)],
        float(score),
        bool(calibration.outside(models.labels, reading.logits, score)),
        wanted == {(span.slot, span.start, span.end) for span in reading.spans},
    )


def _slot_f1(examples: Sequence[Example], readings: Sequence[Reading]) -> float | None:
    wanted = {(i, *asdict(slot).values()) for i, example in enumerate(examples) for slot in example.slots}
    found = {(i, span.slot, span.start, span.end) for i, reading in enumerate(readings) for span in reading.spans}
    return round(2 * len(wanted & found) / (len(wanted) + len(found)), 4) if wanted else None


def _share(hits: Sequence[bool]) -> float | None:
    return round(sum(hits) / len(hits), 4) if hits else None


def _calibration_error(confidences: Sequence[float], right: Sequence[bool]) -> float | None:
    """Mean distance of confidence from accuracy over equally wide bins, weighted by their size."""
    if not confidences:
        return None
    bins = np.minimum((np.array(confidences) * _BINS).astype(int), _BINS - 1)
    gaps = np.array(right, dtype=float) - np.array(confidences)
    return round(float(sum(abs(gaps[bins == each].sum()) for each in range(_BINS)) / len(gaps)), 4)
