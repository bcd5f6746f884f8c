"""Questions answered from documents, with the real encoder, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from parley.v1 import knowledge_pb2, principal_pb2
from services.knowledge.documents import EVENT
from services.knowledge.engine import Ask, Engine
from services.knowledge.store import Store
from shared.errors import InvalidInput
from shared.storage.database import Database
from tests.knowing import (
    RETURNS,
    SHIPPING,
    SHIPPING_ZH,
    STAFF,
    WARRANTY_ZH,
    ask,
    document,
    engine_on,
    filled,
    found_in,
    opened,
)

pytestmark = pytest.mark.integration


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Four documents: returns and shipping in English, shipping and warranty in Chinese."""
    store = opened(database)
    filled(
        store,
        document("returns", RETURNS),
        document("shipping", SHIPPING),
        document("shipping-zh", SHIPPING_ZH, language="zh"),
        document("warranty-zh", WARRANTY_ZH, language="zh"),
    )
    yield store


@pytest.fixture
def engine(store: Store) -> Engine:
    return engine_on(store)


def test_an_english_question_is_answered_with_its_source(engine: Engine) -> None:
    evidence = ask(engine, "How many days do I have to return an item?", language="en")

    assert evidence.found
    best = evidence.passages[0]
    assert (best.passage_id, best.document_id) == ("returns#time-limit", "returns")
    assert best.title == "Returns > Time limit"
    assert "30 days" in best.text
    assert best.source == "https://help.example/returns"
    assert (best.language, best.domain) == ("en", "shop")


def test_a_chinese_question_is_answered_in_chinese(engine: Engine) -> None:
    evidence = ask(engine, "手机保修多久？", language="zh")

    assert evidence.found
    assert evidence.passages[0].passage_id == "warranty-zh#保修期"


def test_a_question_that_shares_no_word_with_its_answer_is_understood(engine: Engine) -> None:
    assert found_in(ask(engine, "Can I send earphones back after unpacking them?"))[0] == "returns"


def test_a_table_answers(engine: Engine) -> None:
    evidence = ask(engine, "What does express shipping cost?")

    assert evidence.passages[0].document_id == "shipping"
    assert "Express; Time: 1 working day; Cost: 9.90 euros" in evidence.passages[0].text


def test_the_query_comes_back_with_its_evidence(engine: Engine) -> None:
    evidence = ask(engine, "What does express shipping cost?", domains=["shop"], limit=1)

    assert evidence.query.text == "What does express shipping cost?"
    assert list(evidence.query.domains) == ["shop"]


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of France?",
        "Who won the football match yesterday?",
        "How do I bake bread?",
        "今天天气怎么样",
        "法国的首都是哪里",
        "谁写了《红楼梦》",
        "?",
        "asdf qwer",
    ],
)
def test_what_the_documents_do_not_say_is_not_found(engine: Engine, question: str) -> None:
    evidence = ask(engine, question)

    assert not evidence.found
    assert not evidence.passages


def test_the_language_of_the_question_is_preferred(engine: Engine) -> None:
    assert ask(engine, "How much is express delivery?", language="en").passages[0].document_id == "shipping"
    assert ask(engine, "加急配送多少钱？", language="zh").passages[0].document_id == "shipping-zh"


def test_where_only_another_language_answers_it_does(engine: Engine) -> None:
    evidence = ask(engine, "How long is the warranty period for new phones and batteries?", language="en")

    assert evidence.found
    assert evidence.passages[0].passage_id == "warranty-zh#保修期"
    assert evidence.passages[0].language == "zh"


def test_what_another_language_answers_is_quoted_from_its_translation(store: Store) -> None:
    unsure = engine_on(store, threshold=1, cross_language_threshold=0.5)  # its own language never convinces it

    translated = ask(unsure, "How much is express delivery?", language="en")
    untranslated = ask(unsure, "How long is the warranty period for new phones and batteries?", language="en")

    assert translated.passages[0].document_id == "shipping"
    assert untranslated.passages[0].document_id == "warranty-zh"


def test_no_more_passages_come_than_are_wanted(store: Store) -> None:
    engine = engine_on(store, passages=2)

    assert len(ask(engine, "How many days do I have to return an item?").passages) == 2
    assert len(ask(engine, "How many days do I have to return an item?", limit=1).passages) == 1
    scores = [passage.score for passage in ask(engine, "How do I return an item?", limit=50).passages]
    assert scores == sorted(scores, reverse=True)


def test_only_the_wanted_domains_are_searched(store: Store, engine: Engine) -> None:
    filled(store, document("lights", "# Lights\n\nThe lights can be dimmed from 0 to 100 percent.", domain="home"))
    question = "How far can the lights be dimmed?"

    assert found_in(ask(engine, question))[:1] == ["lights"]
    assert found_in(ask(engine, question, domains=["home", "garden"])) == ["lights"]
    assert not ask(engine, question, domains=["shop"]).found
    assert not ask(engine, question, domains=["garden"]).found


def test_what_needs_a_role_is_found_by_that_role_alone(store: Store, engine: Engine) -> None:
    filled(store, document("staff", STAFF, roles=("agent", "lead")))
    question = "How much goodwill credit may an agent grant for a complaint?"

    assert found_in(ask(engine, question, roles=["guest", "agent"]))[0] == "staff"
    for roles in ([], ["guest"]):
        evidence = ask(engine, question, roles=roles)
        assert "staff" not in found_in(evidence)
        assert not evidence.found


def test_roles_taken_away_hold_at_once(store: Store) -> None:
    indexer = filled(store, document("staff", STAFF))
    engine = engine_on(store)
    late = engine_on(store, refresh_seconds=3600)
    question = "How much goodwill credit may an agent grant for a complaint?"
    assert ask(engine, question).found
    assert ask(late, question).found

    indexer.put(document("staff", STAFF, roles=("agent",)))

    assert not ask(engine, question).found
    # A replica that has not looked since still asks the database whether what it nominates may be seen.
    assert "staff" not in found_in(ask(late, question))


def test_replacing_and_removing_is_seen_by_every_replica(store: Store) -> None:
    writer, reader = engine_on(store), engine_on(store)
    indexer = filled(store, document("hours", "# Opening hours\n\nThe shop is open from 9 am to 6 pm."))
    question = "When is the shop open?"
    assert "9 am" in ask(reader, question).passages[0].text

    indexer.put(document("hours", "# Opening hours\n\nThe shop is open from 11 am to 8 pm."))
    for engine in (writer, reader):
        assert "11 am" in ask(engine, question).passages[0].text
        assert "9 am" not in " ".join(passage.text for passage in ask(engine, question).passages)

    indexer.remove("hours", EVENT)
    for engine in (writer, reader):
        assert "hours" not in found_in(ask(engine, question))


def test_a_replica_looks_for_changes_no_more_often_than_it_is_set_to(store: Store) -> None:
    engine = engine_on(store, refresh_seconds=3600)
    filled(store, document("hours", "# Opening hours\n\nThe shop is open from 9 am to 6 pm."))

    assert "hours" not in found_in(ask(engine, "When is the shop open?"))
    engine.refresh()
    assert found_in(ask(engine, "When is the shop open?"))[0] == "hours"


def test_questions_asked_together_are_answered_as_if_alone(engine: Engine) -> None:
    texts = ["How many days do I have to return an item?", "手机保修多久？", "What is the capital of France?"]
    queries = [knowledge_pb2.KnowledgeQuery(text=text) for text in texts]
    queries.insert(1, knowledge_pb2.KnowledgeQuery(text="Hello", language="English"))

    together = engine.retrieve_all([Ask(query, principal_pb2.Principal()) for query in queries])

    refused = together.pop(1)
    assert isinstance(refused, InvalidInput)
    assert refused.field == "language"
    alone = [ask(engine, text) for text in texts]
    for one, other in zip(together, alone, strict=True):
        assert isinstance(one, knowledge_pb2.Evidence)
        assert one.found == other.found
        assert [passage.passage_id for passage in one.passages] == [passage.passage_id for passage in other.passages]


def test_a_question_alone_that_cannot_be_read_is_refused(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="language: 'English' is no language tag"):
        ask(engine, "How long?", language="English")


@pytest.mark.parametrize(
    "text", ["退货 " * 4000, "\x00", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "a" * 8000]
)
def test_strange_questions_are_not_found_rather_than_an_error(engine: Engine, text: str) -> None:
    assert isinstance(ask(engine, text), knowledge_pb2.Evidence)


def test_an_empty_store_finds_nothing(database: Database) -> None:
    engine = engine_on(opened(database))

    assert not ask(engine, "How many days do I have to return an item?").found
