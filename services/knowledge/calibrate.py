"""Fits the judge of "found" on calibration.yaml and writes judge.json: `python -m services.knowledge.calibrate`.

Needed again only where the encoder, the background texts or the signals change. With the name of a second file of
questions it prints how the judge does on those.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from rich.console import Console

from parley.v1 import knowledge_pb2, principal_pb2
from services.knowledge.documents import BUNDLED, SourceDocument, of_packs
from services.knowledge.encoder import E5Encoder
from services.knowledge.engine import Ask, Engine
from services.knowledge.ingest import Indexer
from services.knowledge.judge import OTHER_LANGUAGE, SAME_LANGUAGE, WEIGHTS, Judge, Logistic, Signals
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import Store
from shared.packs import bundled_packs
from shared.storage.database import Database

QUESTIONS = Path(__file__).with_name("calibration.yaml")
_RIDGE = 0.3  # of the weights of standardised signals
_NEWTON_STEPS = 50


@dataclass(frozen=True, slots=True)
class Labelled:
    """Signals of one question, and whether the documents answer it."""

    signals: Signals
    answerable: bool


def main(arguments: Sequence[str]) -> None:
    """Fit, write and report."""
    console = Console()
    questions = yaml.safe_load(QUESTIONS.read_text(encoding="utf-8"))
    with engine_over(of_packs(bundled_packs())) as bundled, engine_over(_articles(questions["articles"])) as articles:
        same = [*examined(bundled, _of_documents(questions)), *examined(articles, _of_articles(questions))]
        other = list(examined(bundled, _translated(questions), other_languages=True))
        judge = Judge(fit(same, SAME_LANGUAGE), fit(other, OTHER_LANGUAGE))
        _report(console, "fitted on, same language", judge.same_language, same)
        _report(console, "fitted on, other language", judge.other_language, other)
        for name in arguments:
            held_back = yaml.safe_load(Path(name).read_text(encoding="utf-8"))
            _report(console, name, judge.same_language, list(examined(bundled, _of_documents(held_back))))
            crossing = list(examined(bundled, _translated(held_back), other_languages=True))
            _report(console, f"{name}, other language", judge.other_language, crossing)
    parts = {"same": judge.same_language, "other": judge.other_language}
    content = {name: {"weights": dict(part.weights), "bias": part.bias} for name, part in parts.items()}
    WEIGHTS.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def engine_over(documents: Iterable[SourceDocument]) -> Iterator[Engine]:
    """An engine over these documents in a store of its own."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Database(f"sqlite:///{folder}/knowledge.sqlite3"))
        store.open()
        encoder = E5Encoder()
        Indexer(store, encoder).sync(documents)
        never = Logistic({}, -60.0)
        yield Engine(store, encoder, Judge(never, never), KnowledgeSettings())
        store.close()


def examined(
    engine: Engine, questions: Iterable[tuple[str, str, bool]], *, other_languages: bool = False
) -> Iterator[Labelled]:
    """Signals of questions given as language, text and whether they can be answered."""
    for language, text, answerable in questions:
        query = knowledge_pb2.KnowledgeQuery(text=text, language=language)
        finding = engine.examine(Ask(query, principal_pb2.Principal()), other_languages=other_languages)
        if finding.signals is not None:
            yield Labelled(finding.signals, answerable)


def fit(labelled: Sequence[Labelled], names: Sequence[str]) -> Logistic:
    """Logistic regression with a ridge, by Newton's method."""
    raw = np.array([[float(getattr(each.signals, name)) for name in names] for each in labelled])
    target = np.array([float(each.answerable) for each in labelled])
    mean, spread = raw.mean(axis=0), raw.std(axis=0)
    inputs: npt.NDArray[np.float64] = np.column_stack([(raw - mean) / spread, np.ones(len(raw))])
    ridge = np.diag([_RIDGE] * len(names) + [0.0])
    weights = np.zeros(len(names) + 1)
    for _ in range(_NEWTON_STEPS):
        chance = 1 / (1 + np.exp(-inputs @ weights))
        slope = inputs.T @ (chance - target) + ridge @ weights
        curve = (inputs.T * (chance * (1 - chance))) @ inputs + ridge
        weights -= np.linalg.solve(curve, slope)
    plain = weights[:-1] / spread
    bias = float(weights[-1] - plain @ mean)
    return Logistic({name: round(float(value), 4) for name, value in zip(names, plain, strict=True)}, round(bias, 4))


def _report(console: Console, name: str, model: Logistic, labelled: Sequence[Labelled]) -> None:
    found = [each for each in labelled if each.answerable]
    missing = [each for each in labelled if not each.answerable]
    right = [sum(model.certainty(each.signals) >= 0.5 for each in found)]
    right.append(sum(model.certainty(each.signals) < 0.5 for each in missing))
    console.print(
        f"{name}: {sum(right)} of {len(labelled)} right;"
        f" answerable {right[0]} of {len(found)}, unanswerable {right[1]} of {len(missing)}"
    )


def _of_documents(questions: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    for language, entries in questions["answerable"].items():
        yield from ((language, entry["q"], True) for entry in entries)
    for language, texts in questions["unanswerable"].items():
        yield from ((language, text, False) for text in texts)


def _translated(questions: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """The questions whose document also exists in another language, and those that no document answers."""
    documents: dict[str, set[str]] = {}
    for document in of_packs(bundled_packs()):
        documents.setdefault(document.document_id.replace(f"/{document.language}/", "/"), set()).add(document.language)
    for language, entries in questions["answerable"].items():
        for entry in entries:
            if documents[entry["a"].partition("#")[0]] - {language}:
                yield language, entry["q"], True
    for language, texts in questions["unanswerable"].items():
        yield from ((language, text, False) for text in texts)


def _articles(articles: Mapping[str, Any]) -> Iterator[SourceDocument]:
    for language, entries in articles.items():
        for entry in entries:
            name = f"articles/{language}/{entry['title']}"
            yield SourceDocument(name, "articles", language, entry["title"], entry["text"], name, (), BUNDLED)


def _of_articles(questions: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    for language, entries in questions["articles"].items():
        yield from ((language, text, True) for entry in entries for text in entry["questions"])
    for language, texts in questions["unrelated"].items():
        yield from ((language, text, False) for text in texts)


if __name__ == "__main__":
    main(sys.argv[1:])
