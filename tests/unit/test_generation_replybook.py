"""Reply files: what is wrong in one is said when it is loaded, never when a user waits."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from services.generation.replybook import load_books
from shared.errors import InvalidPack
from shared.packs import Pack, bundled_packs

pytestmark = pytest.mark.unit


@pytest.fixture
def packs(tmp_path: Path) -> tuple[Pack, ...]:
    """The bundled packs, in folders that a test may change."""
    copies = []
    for pack in bundled_packs():
        shutil.copytree(pack.path / "replies", tmp_path / pack.name / "replies")
        copies.append(replace(pack, path=tmp_path / pack.name))
    return tuple(copies)


def edit(packs: tuple[Pack, ...], name: str, act: str, entry: dict[str, object] | None) -> None:
    """Put an entry under an act of a pack's English replies, or take the act away."""
    file = next(pack.path for pack in packs if pack.name == name) / "replies" / "en.yaml"
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    if entry is None:
        del content["replies"][act]
    else:
        content["replies"].setdefault(act, {}).update(entry)
    file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


@pytest.mark.parametrize(
    ("pack", "act", "entry", "complaint"),
    [
        ("conversation", "greet", None, "needs a default"),
        ("conversation", "greet", {"default": ["Hello {name}!"]}, "needs a default whose last template"),
        ("conversation", "sing", {"default": ["La."]}, "is no dialogue act"),
        ("smart_home", "greet", {"default": ["Hi."]}, "is in another pack too"),
        ("smart_home", "notify", {"x": ["A {broken brace."]}, "has braces around no name"),
        ("smart_home", "notify", {"x": [{"say": "A."}]}, "is no template"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name(
    packs: tuple[Pack, ...], pack: str, act: str, entry: dict[str, object] | None, complaint: str
) -> None:
    load_books(packs)
    edit(packs, pack, act, entry)

    with pytest.raises(InvalidPack, match=complaint) as refused:
        load_books(packs)
    assert act in str(refused.value)


def test_a_file_that_is_no_yaml_is_refused_by_name(packs: tuple[Pack, ...]) -> None:
    (packs[0].path / "replies" / "en.yaml").write_text("replies: [", encoding="utf-8")

    with pytest.raises(InvalidPack, match="is not YAML"):
        load_books(packs)


def test_packs_without_replies_are_refused(packs: tuple[Pack, ...], tmp_path: Path) -> None:
    bare = [replace(pack, path=tmp_path / "nowhere") for pack in packs]

    with pytest.raises(InvalidPack, match="needs a default"):
        load_books(bare)


def test_the_version_changes_with_the_files(packs: tuple[Pack, ...]) -> None:
    _, before = load_books(packs)
    edit(packs, "smart_home", "notify", {"something_else": ["New words."]})
    _, after = load_books(packs)

    assert before != after
