"""Documents before they are indexed: from events and from the packs' folders."""

from __future__ import annotations

from pathlib import Path

import pytest

from parley.v1 import knowledge_pb2
from services.knowledge.documents import from_event, of_packs, primary_subtag
from shared.errors import InvalidInput, InvalidPack
from shared.packs import Pack, bundled_packs

pytestmark = pytest.mark.unit


def pack_with(folder: Path, file: str, content: str) -> Pack:
    path = folder / "documents" / file
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    return Pack("shop", "1", ("en",), folder, {}, {}, {}, ())


def test_an_event_becomes_a_document() -> None:
    event = knowledge_pb2.Document(
        document_id="faq-1", domain="shop", text="# Q\n\nA.", language="zh-CN", roles=["agent", "agent"]
    )

    document = from_event(event)

    assert (document.language, document.roles, document.source) == ("zh", ("agent",), "faq-1")


def test_a_document_that_names_no_language_is_taken_for_what_it_is_written_in() -> None:
    assert from_event(knowledge_pb2.Document(document_id="a", text="退货期限是三十天")).language == "zh"
    assert from_event(knowledge_pb2.Document(document_id="a", text="Thirty days")).language == "en"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": "  \n"}, "text"),
        ({"text": "\x00"}, "text"),
        ({"language": "English"}, "language"),
        ({"roles": [""]}, "roles"),
        ({"roles": ["r" * 101]}, "roles"),
        ({"document_id": "a\x00b"}, "document_id"),
    ],
)
def test_a_field_that_cannot_be_used_is_named(change: dict[str, object], field: str) -> None:
    event = knowledge_pb2.Document(**{"document_id": "faq-1", "domain": "shop", "text": "Hello", **change})  # type: ignore[arg-type]

    with pytest.raises(InvalidInput) as refused:
        from_event(event)

    assert refused.value.field == field


def test_whatever_changes_what_is_stored_changes_the_hash() -> None:
    event = knowledge_pb2.Document(document_id="faq-1", domain="shop", text="Hello", title="T", source="s")
    changes = [
        {"text": "Hello!"},
        {"title": "U"},
        {"domain": "home"},
        {"source": "t"},
        {"roles": ["a"]},
        {"language": "de"},
    ]
    hashes = {from_event(event).content_hash("1")}

    for change in changes:
        changed = knowledge_pb2.Document(**change)  # type: ignore[arg-type]
        other = knowledge_pb2.Document()
        other.CopyFrom(event)
        other.MergeFrom(changed)
        hashes.add(from_event(other).content_hash("1"))
    hashes.add(from_event(event).content_hash("2"))

    assert len(hashes) == len(changes) + 2


def test_a_pack_names_its_documents_by_folder_and_file(tmp_path: Path) -> None:
    pack = pack_with(tmp_path, "en/returns.md", "---\nroles: [agent]\n---\n# Returns\n")

    (document,) = of_packs([pack])

    assert document.document_id == "shop/en/returns"
    assert (document.domain, document.language, document.roles) == ("shop", "en", ("agent",))
    assert document.text == "# Returns\n"


@pytest.mark.parametrize("front", ["roles: agent", "- agent", "roles: [1]", "roles: ["])
def test_front_matter_that_cannot_be_read_is_refused(tmp_path: Path, front: str) -> None:
    pack = pack_with(tmp_path, "en/returns.md", f"---\n{front}\n---\n# Returns\n")

    with pytest.raises(InvalidPack, match="front matter"):
        list(of_packs([pack]))


def test_every_bundled_pack_is_documented_in_each_of_its_languages() -> None:
    documented = {(document.domain, document.language) for document in of_packs(bundled_packs())}

    assert documented == {(pack.name, language) for pack in bundled_packs() for language in pack.languages}


@pytest.mark.parametrize(("tag", "subtag"), [("", ""), ("en", "en"), ("zh-Hans-CN", "zh"), ("EN-us", "en")])
def test_the_primary_subtag_of_a_tag(tag: str, subtag: str) -> None:
    assert primary_subtag(tag) == subtag
