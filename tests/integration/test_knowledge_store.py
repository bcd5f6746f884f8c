"""The knowledge store, on SQLite and on PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from services.knowledge.documents import BUNDLED, EVENT, SourceDocument
from services.knowledge.scope import Audience, Scope
from services.knowledge.storage import Base
from services.knowledge.store import NewPassage, Store
from services.knowledge.terms import question, terms
from shared.storage.database import Database
from tests.knowing import document, opened

pytestmark = pytest.mark.integration

EVERYONE = Scope(roles=frozenset())


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    yield opened(database)


def put(store: Store, source: SourceDocument, *texts: str) -> bool:
    """Store a document whose passages are `texts`."""
    passages = [
        NewPassage(f"{source.document_id}#{number}", "T", text, tuple(terms(text)), f"hash of {text}"[:64], bytes(4))
        for number, text in enumerate(texts)
    ]
    return store.put(source, source.content_hash(*texts), passages)


def search(store: Store, text: str, scope: Scope = EVERYONE, limit: int = 10) -> list[str]:
    """The ids of the passages that full text finds."""
    with store.reader() as reader:
        return [candidate.passage_id for candidate in reader.search(question(text).terms, scope, limit)]


def test_the_migrations_make_the_tables_the_code_expects(database: Database) -> None:
    opened(database)

    with database.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), Base.metadata)

    # Full text is made by hand, since no model can declare it for both databases.
    by_hand = ("knowledge_version", "knowledge_search", "knowledge_vocabulary", "search")
    assert [change for change in differences if not any(name in str(change) for name in by_hand)] == []


def test_words_find_passages_whatever_their_form(store: Store) -> None:
    put(store, document("a", ""), "Returned items are checked.", "A refund takes 3 days.")

    assert search(store, "Can I return it?") == ["a#0"]
    assert search(store, "refunds") == ["a#1"]
    assert search(store, "zebra") == []
    assert search(store, "what is it") == []


def test_chinese_words_find_chinese_passages(store: Store) -> None:
    put(store, document("a", "", language="zh"), "收货后三十天内可以退货。", "保修期是两年。")

    assert search(store, "怎么退货") == ["a#0"]
    assert search(store, "保修多久") == ["a#1"]


def test_more_matching_words_come_first(store: Store) -> None:
    put(store, document("a", ""), "express delivery", "standard delivery", "delivery of express parcels on Saturday")

    assert search(store, "express on Saturday", limit=1) == ["a#2"]
    assert set(search(store, "express on Saturday")) == {"a#0", "a#2"}


@pytest.mark.parametrize("text", ['it\'s "quoted"', "a' OR 1=1 --", "NOT near(x) * ^ : -", "退' | '货", "%s :name"])
def test_whatever_is_asked_is_looked_for_and_not_run(store: Store, text: str) -> None:
    put(store, document("a", ""), text)

    assert search(store, text) in ([], ["a#0"])
    assert search(store, "quoted near name") in ([], ["a#0"])


def test_frequencies_count_passages(store: Store) -> None:
    put(store, document("a", ""), "refund refund", "refund and return", "退款")

    with store.reader() as reader:
        assert reader.frequencies(["refund", "return", "退款", "zebra"]) == {"refund": 2, "return": 1, "退款": 1} | (
            {"zebra": 0} if "zebra" in reader.frequencies(["zebra"]) else {}
        )
        assert reader.frequencies([]) == {}


def test_what_sql_sees_is_what_memory_sees(store: Store) -> None:
    audiences = [
        Audience(domain, language, roles)
        for domain, language, roles in itertools.product(
            ("shop", "home"), ("en", "zh", "de"), (frozenset[str](), frozenset({"agent"}), frozenset({"agent", "lead"}))
        )
    ]
    for number, audience in enumerate(audiences):
        roles = tuple(sorted(audience.roles))
        put(store, document(f"{number}", "", language=audience.language, domain=audience.domain, roles=roles), "refund")
    scopes = [
        Scope(roles=frozenset(roles), domains=frozenset(domains), language=language, other_languages=other)
        for roles, domains, language, other in itertools.product(
            ((), ("agent",), ("lead",), ("guest", "lead")),
            ((), ("shop",), ("shop", "home"), ("garden",)),
            ("", "en"),
            (False, True),
        )
    ]

    for scope in scopes:
        expected = {f"{number}#0" for number, audience in enumerate(audiences) if scope.sees(audience)}
        assert set(search(store, "refund", scope, limit=100)) == expected
        with store.reader() as reader:
            assert {candidate.passage_id for candidate in reader.fetch(range(1, 50), scope)} == expected


def test_the_scope_is_part_of_the_search_and_no_filter_after_it(store: Store) -> None:
    for number in range(5):
        put(store, document(f"secret-{number}", "", roles=("agent",)), "refund refund refund")
    put(store, document("public", ""), "a refund is made some time after the parcel has come back to us")

    assert search(store, "refund", limit=1) == ["public#0"]


def test_a_document_of_the_same_id_replaces_the_first(store: Store) -> None:
    assert put(store, document("a", "", roles=("agent",)), "old refund", "old return")
    assert put(store, document("a", ""), "new refund")

    assert search(store, "refund") == ["a#0"]
    assert search(store, "old") == []
    with store.reader() as reader:
        assert reader.frequencies(["old"]).get("old", 0) == 0


def test_the_same_document_twice_changes_nothing(store: Store) -> None:
    put(store, document("a", ""), "refund")
    revision = store.revision()

    assert put(store, document("a", ""), "refund") is False
    assert store.revision() == revision


def test_a_removed_document_is_found_no_more_and_can_come_back(store: Store) -> None:
    put(store, document("a", ""), "refund")

    assert store.remove("a", EVENT) is True
    assert search(store, "refund") == []
    assert store.remove("a", EVENT) is False
    assert put(store, document("a", ""), "refund") is True
    assert search(store, "refund") == ["a#0"]


def test_a_document_never_seen_can_be_removed_before_it_comes(store: Store) -> None:
    assert store.remove("later", EVENT) is True

    known = store.known_document("later")
    assert known is not None
    assert (known.deleted, known.origin) == (True, EVENT)


def changed_ids(store: Store, since: int) -> tuple[Sequence[str], Sequence[str]]:
    changes = store.changes(since)
    return sorted(changes.documents), [vector.document_id for vector in changes.vectors]


def test_changes_tell_what_happened_since(store: Store) -> None:
    put(store, document("a", ""), "one", "two")
    put(store, document("b", "", roles=("agent",), origin=BUNDLED), "three")
    before = store.revision()
    assert changed_ids(store, -1) == (["a", "b"], ["a", "a", "b"])

    put(store, document("a", ""), "one")
    store.remove("b", BUNDLED)

    assert changed_ids(store, before) == (["a", "b"], ["a"])
    assert changed_ids(store, store.revision()) == ([], [])


def test_a_changed_document_brings_its_audience(store: Store) -> None:
    put(store, document("b", "", language="zh", domain="home", roles=("lead", "agent")), "refund")

    (vector,) = store.changes(0).vectors

    assert vector.audience == Audience("home", "zh", frozenset({"agent", "lead"}))


def test_ids_are_never_used_again(store: Store) -> None:
    put(store, document("a", ""), "one")
    (first,) = store.changes(-1).vectors
    store.remove("a", EVENT)
    put(store, document("b", ""), "two")
    (second,) = store.changes(-1).vectors

    assert second.id > first.id


def test_vectors_are_known_by_what_they_were_computed_from(store: Store) -> None:
    put(store, document("a", ""), "one", "two")
    store.keep_background({"hash of three": b"abcd"})

    assert store.vectors(["hash of one", "hash of three", "hash of four"]) == {
        "hash of one": bytes(4),
        "hash of three": b"abcd",
    }
