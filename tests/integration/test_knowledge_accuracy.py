"""How often the right passage is found, and "not found" said, on questions nothing was fitted on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from parley.v1 import knowledge_pb2
from services.knowledge.encoder import E5Encoder
from services.knowledge.engine import Engine
from services.knowledge.ingest import ensure_index
from services.knowledge.judge import Judge
from services.knowledge.settings import KnowledgeSettings
from services.knowledge.store import Store
from shared.settings import StorageSettings
from shared.storage.database import Database
from tests.knowing import ask

pytestmark = pytest.mark.integration

QUESTIONS: dict[str, dict[str, Any]] = yaml.safe_load(
    Path(__file__).with_name("test_knowledge_questions.yaml").read_text(encoding="utf-8")
)
ANSWERABLE = [
    (language, entry["q"], entry["a"]) for language, each in QUESTIONS["answerable"].items() for entry in each
]
UNANSWERABLE = [(language, text) for language, each in QUESTIONS["unanswerable"].items() for text in each]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """The bundled documents; encoding them takes half a minute, so the index is kept between test runs."""
    kept = StorageSettings.load(data_dir=StorageSettings.load().data_dir / "tests", database_url="")
    ensure_index(kept, Console(stderr=True))
    store = Store(Database(kept.database_for("knowledge")))
    yield Engine(store, E5Encoder(), Judge.load(), KnowledgeSettings())
    store.close()


def document_of(passage: knowledge_pb2.Passage) -> str:
    """The document without its language: translations answer alike."""
    return passage.document_id.replace(f"/{passage.language}/", "/")


def test_the_right_document_comes_first(engine: Engine) -> None:
    first, among = [], []
    for language, text, answer in ANSWERABLE:
        passages = ask(engine, text, language=language, limit=3).passages
        documents = [document_of(passage) for passage in passages]
        wanted = answer.partition("#")[0]
        first.append(documents[:1] == [wanted])
        among.append(wanted in documents)

    assert sum(first) >= 0.85 * len(first)
    assert sum(among) >= 0.9 * len(among)


def test_found_is_said_of_what_the_documents_answer_and_of_nothing_else(engine: Engine) -> None:
    found = [ask(engine, text, language=language).found for language, text, _ in ANSWERABLE]
    invented = [text for language, text in UNANSWERABLE if ask(engine, text, language=language).found]

    assert sum(found) >= 0.88 * len(found)
    assert len(invented) <= 0.1 * len(UNANSWERABLE), invented


def test_answers_come_in_the_language_of_the_question(engine: Engine) -> None:
    strange = [
        text
        for language, text, _ in ANSWERABLE
        for passage in ask(engine, text, language=language).passages[:1]
        if passage.language != language
    ]

    assert len(strange) <= 0.05 * len(ANSWERABLE), strange


@pytest.mark.parametrize(
    ("language", "text"), [("en", "What is the capital of France?"), ("zh", "今天天气怎么样"), ("en", "Tell me a joke")]
)
def test_what_a_shop_and_a_home_do_not_know_is_not_found(engine: Engine, language: str, text: str) -> None:
    assert not ask(engine, text, language=language).found


def test_a_topic_in_one_language_alone_is_found_from_the_other(engine: Engine) -> None:
    evidence = ask(engine, "在店里取货要带什么", language="zh")

    assert "customer_service/store_pickup" in {document_of(passage) for passage in evidence.passages}


def test_rules_for_agents_are_for_agents(engine: Engine) -> None:
    question = "How many days after the limit may an agent accept a late return as goodwill?"

    assert document_of(ask(engine, question, language="en", roles=["agent"]).passages[0]) == "customer_service/goodwill"
    others = ask(engine, question, language="en").passages
    assert "customer_service/goodwill" not in {document_of(passage) for passage in others}
