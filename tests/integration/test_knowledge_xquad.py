"""Retrieval over texts of another kind than our own: articles of XQuAD, with questions asked about them and others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.knowledge.documents import EVENT, SourceDocument
from services.knowledge.engine import Engine
from shared.storage.database import Database
from tests.knowing import ask, engine_on, filled, found_in, opened

pytestmark = pytest.mark.integration

_DOCUMENTS = 30
_QUESTIONS = 80


def lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        pytest.skip(f"needs {file.name}, which is not among the data in ../shared/data")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.fixture(scope="module")
def articles(shared_data: Path) -> list[dict[str, Any]]:
    return lines(shared_data / "knowledge" / "xquad_docs_en.jsonl")


@pytest.fixture(scope="module")
def questions(shared_data: Path) -> list[dict[str, Any]]:
    return lines(shared_data / "knowledge" / "xquad_questions_en.jsonl")


@pytest.fixture(scope="module")
def engine(articles: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    store = opened(Database(f"sqlite:///{tmp_path_factory.mktemp('xquad') / 'knowledge.sqlite3'}"))
    filled(
        store,
        *(
            SourceDocument(each["doc_id"], "articles", "en", each["title"], each["text"], each["doc_id"], (), EVENT)
            for each in articles[:_DOCUMENTS]
        ),
    )
    yield engine_on(store)
    store.close()


def test_questions_find_their_article(
    engine: Engine, articles: list[dict[str, Any]], questions: list[dict[str, Any]]
) -> None:
    known = {each["doc_id"] for each in articles[:_DOCUMENTS]}
    asked = [each for each in questions if each["doc_id"] in known][:_QUESTIONS]

    first = [found_in(ask(engine, each["question"], language="en"))[:1] == [each["doc_id"]] for each in asked]

    assert len(asked) == _QUESTIONS
    assert sum(first) >= 0.8 * len(first)


def test_questions_about_other_articles_are_not_found(
    engine: Engine, articles: list[dict[str, Any]], questions: list[dict[str, Any]]
) -> None:
    title_of = {each["doc_id"]: each["title"] for each in articles}
    known = {each["title"] for each in articles[:_DOCUMENTS]}
    asked = [each for each in questions if title_of[each["doc_id"]] not in known][:_QUESTIONS]

    invented = [each["question"] for each in asked if ask(engine, each["question"], language="en").found]

    assert len(asked) == _QUESTIONS
    assert len(invented) <= 0.1 * len(asked), invented
