"""Packs that came by event: their archives, where they stand, which set is served."""

from __future__ import annotations

import io
import random
import shutil
import tarfile
from pathlib import Path

import pytest

from parley.v1 import packs_pb2
from shared.bus.profile import BrokerProfile
from shared.errors import InvalidInput, InvalidPack
from shared.packs import Pack, bundled_packs, load_pack
from shared.packs.installed import installed_packs, with_published
from shared.packs.published import PublishedPacks, archived, ref_of
from shared.packs.watching import PackWatch
from shared.settings import KafkaSettings

pytestmark = pytest.mark.unit

COFFEE = load_pack(Path(__file__).parents[2] / "examples" / "domains" / "coffee")


@pytest.fixture
def packs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedPacks:
    monkeypatch.setenv("PARLEY_STORAGE_DATA_DIR", str(tmp_path))
    return PublishedPacks(tmp_path)


def changed(folder: Path, version: str) -> Pack:
    """Coffee in another version."""
    copy = shutil.copytree(COFFEE.path, folder / f"coffee-{version}")
    text = (copy / "pack.yaml").read_text(encoding="utf-8")
    (copy / "pack.yaml").write_text(text.replace('version: "1"', f'version: "{version}"'), encoding="utf-8")
    return load_pack(copy)


def test_a_pack_comes_out_of_its_archive_as_it_went_in(packs: PublishedPacks) -> None:
    folder = packs.store(archived(COFFEE))

    assert archived(COFFEE) == archived(COFFEE)
    assert ref_of(load_pack(folder)) == ref_of(COFFEE)
    assert packs.store(archived(COFFEE)) == folder


def test_an_archive_that_holds_something_else_is_refused_and_leaves_nothing(packs: PublishedPacks) -> None:
    other = archived(COFFEE)
    other.pack.version = "2"
    broken = packs_pb2.PublishedPack(pack=ref_of(COFFEE), archive=b"no archive")

    with pytest.raises(InvalidPack, match="holds coffee 1"):
        packs.store(other)
    with pytest.raises(InvalidPack, match="is no gzipped tar"):
        packs.store(broken)
    assert [each for each in packs.folder.rglob("*") if each.is_file()] == []


def test_a_pack_that_is_too_large_for_a_broker_is_refused_with_the_other_way(tmp_path: Path) -> None:
    pack = changed(tmp_path, "3")
    text = "# Long\n" + random.Random(1).randbytes(1_200_000).hex()
    (pack.path / "documents" / "en" / "long.md").write_text(text, encoding="utf-8")

    with pytest.raises(InvalidInput, match="PARLEY_PACKS_PATHS"):
        archived(load_pack(pack.path))


def test_an_archive_that_grows_without_end_is_refused(packs: PublishedPacks) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for number in range(30):
            info = tarfile.TarInfo(f"documents/en/{number}.md")
            info.size = 1_000_000
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    bomb = packs_pb2.PublishedPack(pack=ref_of(COFFEE), archive=buffer.getvalue())

    assert len(bomb.archive) < 100_000
    with pytest.raises(InvalidPack, match="too large"):
        packs.store(bomb)


def test_the_pack_that_every_deployment_needs_is_not_replaced(packs: PublishedPacks) -> None:
    conversation = next(pack for pack in bundled_packs() if pack.name == "conversation")

    with pytest.raises(InvalidPack, match="another name"):
        with_published([conversation.path])


def test_what_is_active_is_installed_in_the_place_of_an_older_one(packs: PublishedPacks, tmp_path: Path) -> None:
    assert "coffee" not in {pack.name for pack in installed_packs()}
    newer = changed(tmp_path, "2")
    for pack in (COFFEE, newer):
        packs.store(archived(pack))

    packs.serve([ref_of(COFFEE)])
    first = {pack.name: pack.version for pack in installed_packs()}
    packs.serve([ref_of(newer)])
    second = {pack.name: pack.version for pack in installed_packs()}

    bundled = {pack.name: pack.version for pack in bundled_packs()}
    assert first == bundled | {"coffee": "1"}
    assert second == bundled | {"coffee": "2"}


def test_packs_that_do_not_go_together_are_told_before_they_are_served(packs: PublishedPacks, tmp_path: Path) -> None:
    twin = shutil.copytree(COFFEE.path, tmp_path / "tea")
    text = (twin / "pack.yaml").read_text(encoding="utf-8")
    (twin / "pack.yaml").write_text(text.replace("name: coffee", "name: tea", 1), encoding="utf-8")

    with pytest.raises(InvalidPack, match="is in pack coffee too"):
        with_published([COFFEE.path, twin])


def test_a_list_that_cannot_be_read_is_named_with_the_remedy(packs: PublishedPacks) -> None:
    packs.folder.mkdir()
    (packs.folder / "active.json").write_text("[1]")

    with pytest.raises(InvalidPack, match="remove it"):
        packs.active()


def test_a_set_is_served_once_all_of_it_is_here(packs: PublishedPacks) -> None:
    watch = PackWatch(BrokerProfile.of(KafkaSettings()), packs)
    active = packs_pb2.PackState(active=packs_pb2.PackSet(packs=[ref_of(COFFEE)]))

    watch.tell("/active", active)
    assert not watch.changed.is_set()
    watch.tell("coffee", packs_pb2.PackState(published=archived(COFFEE)))
    assert watch.changed.is_set()
    assert packs.active() == (ref_of(COFFEE),)

    watch.restarted()
    assert not watch.changed.is_set(), "it is what is served now"
    watch.tell("/active", packs_pb2.PackState(active=packs_pb2.PackSet()))
    assert watch.changed.is_set()
    assert packs.active() == ()
