"""Indexing: what has not changed is not encoded again, and what was indexed outlives a restart."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from services.knowledge.documents import BUNDLED, EVENT
from services.knowledge.ingest import Indexer
from services.knowledge.store import Store
from shared.storage.database import Database
from tests.knowing import RETURNS, SHIPPING, CountingEncoder, ask, document, engine_on, found_in, opened

pytestmark = pytest.mark.integration

QUESTION = "How many days do I have to return an item?"


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    yield opened(database)


@pytest.fixture
def encoder() -> CountingEncoder:
    return CountingEncoder()


@pytest.fixture
def indexer(store: Store, encoder: CountingEncoder) -> Indexer:
    return Indexer(store, encoder)


def test_an_unchanged_document_is_not_encoded_again(indexer: Indexer, encoder: CountingEncoder) -> None:
    assert indexer.put(document("returns", RETURNS)) == 2
    assert indexer.put(document("returns", RETURNS)) == 0

    assert len(encoder.encoded) == 2


def test_of_a_changed_document_only_what_changed_is_encoded(
    indexer: Indexer, encoder: CountingEncoder, store: Store
) -> None:
    indexer.put(document("returns", RETURNS))
    encoder.encoded.clear()

    indexer.put(document("returns", RETURNS.replace("30 days", "60 days")))

    assert [title for title, _ in encoder.encoded] == ["Returns > Time limit"]
    assert "60 days" in ask(engine_on(store), QUESTION).passages[0].text


def test_a_change_of_who_may_see_it_needs_no_encoding(indexer: Indexer, encoder: CountingEncoder, store: Store) -> None:
    indexer.put(document("returns", RETURNS))
    encoder.encoded.clear()

    assert indexer.put(document("returns", RETURNS, roles=("agent",))) == 0

    assert encoder.encoded == []
    assert not ask(engine_on(store), QUESTION).found
    assert ask(engine_on(store), QUESTION, roles=["agent"]).found


def test_the_same_words_in_two_documents_are_encoded_once(indexer: Indexer, encoder: CountingEncoder) -> None:
    indexer.put(document("returns", RETURNS))
    indexer.put(document("returns-copy", RETURNS))

    assert len(encoder.encoded) == 2


def test_a_document_without_passages_can_be_put(indexer: Indexer, store: Store) -> None:
    indexer.put(document("returns", RETURNS))

    assert indexer.put(document("returns", "# Only a heading\n")) == 0

    assert not ask(engine_on(store), QUESTION).found


def test_bundled_documents_are_added_changed_and_removed(
    indexer: Indexer, encoder: CountingEncoder, store: Store
) -> None:
    returns, shipping = document("returns", RETURNS, origin=BUNDLED), document("shipping", SHIPPING, origin=BUNDLED)
    first = indexer.sync([returns, shipping])
    again = indexer.sync([returns, shipping])
    without = indexer.sync([shipping])
    back = indexer.sync([returns, shipping])

    assert (first.documents, first.changed, first.encoded) == (2, 2, 3)
    assert (again.changed, again.removed, again.encoded) == (0, 0, 0)
    assert (without.changed, without.removed) == (0, 1)
    assert (back.changed, back.encoded) == (1, 2)
    assert found_in(ask(engine_on(store), QUESTION))[0] == "returns"


def test_progress_ends_where_it_said_it_would(indexer: Indexer) -> None:
    reports: list[tuple[int, int]] = []

    indexer.sync([document("returns", RETURNS, origin=BUNDLED)], lambda done, every: reports.append((done, every)))

    assert reports[-1] == (2, 2)


def test_what_an_event_replaced_or_removed_stays_so_after_a_restart(indexer: Indexer, store: Store) -> None:
    bundled = [document("returns", RETURNS, origin=BUNDLED), document("shipping", SHIPPING, origin=BUNDLED)]
    indexer.sync(bundled)
    indexer.put(document("returns", RETURNS.replace("30 days", "90 days"), origin=EVENT))
    indexer.remove("shipping", EVENT)

    report = indexer.sync(bundled)

    assert (report.changed, report.removed) == (0, 0)
    engine = engine_on(store)
    assert "90 days" in ask(engine, QUESTION).passages[0].text
    assert "shipping" not in found_in(ask(engine, "What does express shipping cost?"))


def test_a_restart_keeps_the_index(database_url: str) -> None:
    before, encoder = opened(Database(database_url)), CountingEncoder()
    Indexer(before, encoder).sync([document("returns", RETURNS, origin=BUNDLED)])
    first = ask(engine_on(before), QUESTION)
    before.close()
    encoder.encoded.clear()

    after = opened(Database(database_url))
    Indexer(after, encoder).sync([document("returns", RETURNS, origin=BUNDLED)])

    assert encoder.encoded == []
    assert ask(engine_on(after), QUESTION) == first
    after.close()


def test_background_texts_are_encoded_once(store: Store, encoder: CountingEncoder) -> None:
    from services.knowledge.background import load_background

    first = load_background(store, encoder)
    encoder.encoded.clear()
    second = load_background(store, encoder)

    assert encoder.encoded == []
    assert {language: vectors.tolist() for language, vectors in first.by_language.items()} == {
        language: vectors.tolist() for language, vectors in second.by_language.items()
    }
