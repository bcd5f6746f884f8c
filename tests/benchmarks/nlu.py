"""Floors of understanding on public sets: `python -m tests.benchmarks.nlu banking77 clinc150 snips hwu64`.

Each set is split by a hash of its texts, a fifth of every intent for the test; the model learns from the rest by
`train_from_data`, whose own held-out share is the only thing that anything is tuned on. Prints one JSON object a set.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from services.nlu.artifact import load_models
from services.nlu.dataset import languages_of, read_dataset
from services.nlu.model.english import EnglishReader, pad
from services.nlu.scores import judge
from services.nlu.training.from_data import Order, train_from_data
from services.nlu.training.threads import all_cores

TEST_SHARE = 0.2
FLOORS: dict[str, dict[str, float]] = {
    "banking77": {"intent_accuracy": 0.936},
    "clinc150": {"intent_accuracy": 0.97, "oos_recall": 0.88, "in_scope_rejected": 0.04},
    "snips": {"intent_accuracy": 0.983, "slot_f1": 0.94},
    "hwu64": {"intent_accuracy": 0.915},
}
_AT_MOST = {"in_scope_rejected"}
_TIMED = 300  # sentences, one by one
_NO_SOONER = 5  # seconds between two lines of progress


def split(file: Path, folder: Path) -> tuple[Path, Path]:
    """Files to learn from and to test on, in `folder`; the same for the same data on every machine."""
    by_intent: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            by_intent["oos" if row.get("oos") else row["intent"]].append(row)
    parts: dict[str, list[dict[str, Any]]] = {"train": [], "test": []}
    for rows in by_intent.values():
        rows.sort(key=lambda row: hashlib.sha256(row["text"].encode()).digest())
        count = round(TEST_SHARE * len(rows))
        parts["test"] += rows[:count]
        parts["train"] += rows[count:]
    for name, rows in parts.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{name}.jsonl").write_text(text, encoding="utf-8")
    return folder / "train.jsonl", folder / "test.jsonl"


def measure(file: Path, method: str, epochs: int, seed: int) -> dict[str, float | None]:
    """Train on four fifths of `file`, and score the model on the rest."""
    shown = [0.0]

    def progress(_: str, share: float) -> None:
        if time.monotonic() > shown[0] + _NO_SOONER:
            shown[0] = time.monotonic()
            print(f"\r{file.name}: {share:.0%} ", end="", flush=True)

    with tempfile.TemporaryDirectory() as temporary, all_cores():
        train, test = split(file, Path(temporary))
        order = Order(train, Path(temporary) / "model", method=method, epochs=epochs, seed=seed)
        artifact = train_from_data(order, progress)
        rows = read_dataset(test)
        examples = [row.example(each) for row, each in zip(rows, languages_of(rows), strict=True)]
        models = load_models(artifact)
        scores, _ = judge(models, examples)
        reader = models.readers["en"]
        assert isinstance(reader, EnglishReader)
        ours, bare = alone(reader, [example.text for example in examples])
        print("\r", end="")
        return asdict(scores) | {
            "training_seconds": artifact.description.metrics["training_seconds"],
            "one_sentence_ms": round(ours, 2),
            "bare_encoder_ms": round(bare, 2),
            "ratio_to_bare": round(ours / bare, 2),
        }


def alone(reader: EnglishReader, texts: list[str]) -> tuple[float, float]:
    """Median milliseconds of one sentence: the reader's, and its encoder's with the tokenizer and nothing else."""

    def bare(text: str) -> None:
        with torch.inference_mode():
            reader.model.encoder(*pad([reader.tokenizer.encode(text).ids]))

    times: dict[str, list[float]] = {"ours": [], "bare": []}
    calls: dict[str, Callable[[str], object]] = {"ours": lambda text: reader.read([text]), "bare": bare}
    for text in texts[:: max(1, len(texts) // _TIMED)]:
        for name, call in calls.items():
            began = time.perf_counter()
            call(text)
            times[name].append(1000 * (time.perf_counter() - began))
    return statistics.median(times["ours"]), statistics.median(times["bare"])


def main() -> int:
    """Measure the sets asked for; 1 where a floor is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=list(FLOORS))
    parser.add_argument("--folder", type=Path, default=Path("../shared/data/nlu"))
    parser.add_argument("--method", default="full")
    parser.add_argument("--epochs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    if unknown := set(chosen.sets) - set(FLOORS):
        parser.error(f"unknown sets {', '.join(sorted(unknown))}; choose from {', '.join(FLOORS)}")
    missed = False
    for name in chosen.sets:
        figures = measure(chosen.folder / f"{name}.jsonl.gz", chosen.method, chosen.epochs, chosen.seed)
        print(json.dumps({"set": name, **figures}), flush=True)
        for figure, floor in FLOORS[name].items():
            value = figures[figure]
            good = value is not None and (value <= floor if figure in _AT_MOST else value >= floor)
            missed |= not good
            print(f"  {figure}: {value}, floor {floor}: {'met' if good else 'MISSED'}", flush=True)
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
