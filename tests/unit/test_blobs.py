"""Bytes behind claim checks: kept by content, read only from where it is allowed, and never altered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from parley.v1.asr_pb2 import ClaimCheck
from shared.blobs import BlobStore
from shared.errors import BlobTooLarge, InvalidBlob, InvalidSettings, Unavailable
from shared.settings import StorageSettings

pytestmark = pytest.mark.unit

CONTENT = b"a recording"


def claim(uri: str, content: bytes = CONTENT) -> ClaimCheck:
    return ClaimCheck(uri=uri, sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


@pytest.fixture
def store(tmp_path: Path) -> BlobStore:
    return BlobStore((tmp_path / "own blobs").as_uri(), [(tmp_path / "shared").as_uri()], max_bytes=1000)


@pytest.mark.parametrize("make", [lambda path: (path / "blobs with ä").as_uri(), lambda _: "memory://bucket/blobs"])
def test_what_was_kept_is_read_again(tmp_path: Path, make: Callable[[Path], str]) -> None:
    store = BlobStore(make(tmp_path))
    kept = store.put(CONTENT)

    assert kept.size_bytes == len(CONTENT)
    assert kept.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert store.get(kept) == CONTENT


def test_the_same_bytes_have_the_same_claim_check_and_one_file(store: BlobStore, tmp_path: Path) -> None:
    assert store.put(CONTENT) == store.put(CONTENT)
    assert len([file for file in (tmp_path / "own blobs").rglob("*") if file.is_file()]) == 1


def test_bytes_that_were_damaged_are_mended_by_keeping_them_again(store: BlobStore, tmp_path: Path) -> None:
    kept = store.put(CONTENT)
    (file,) = [file for file in (tmp_path / "own blobs").rglob("*") if file.is_file()]
    file.write_bytes(b"x recording")
    with pytest.raises(InvalidBlob, match="sha256"):
        store.get(kept)

    store.put(CONTENT)

    assert store.get(kept) == CONTENT


def test_a_file_under_an_allowed_prefix_is_read(store: BlobStore, tmp_path: Path) -> None:
    file = tmp_path / "shared" / "deep" / "one.wav"
    file.parent.mkdir(parents=True)
    file.write_bytes(CONTENT)

    assert store.get(claim(file.as_uri())) == CONTENT


@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/hostname",
        "file://{root}/secret.wav",
        "file://{root}/shared-and-more/secret.wav",
        "file://{root}/shared/../secret.wav",
        "file://{root}/shared/%2e%2e/secret.wav",
        "file://{root}/shared/./one.wav",
        "file://other-machine{root}/shared/one.wav",
        "simplecache::file://{root}/shared/one.wav",
        "http://169.254.169.254/latest/meta-data",
        "memory://shared/one.wav",
        "{root}/shared/one.wav",
        "file://{root}/shared/one.wav?x=1",
        "file://{root}/shared/one.wav#x",
        "file://{root}/shared/one.wav%00.flac",
        "file://[::1",
        "file://{root}/shared",
        "file://{root}/shared/link.wav",
        "file://{root}/shared/folder/secret.wav",
        "file://{root}/shared/loop/one.wav",
        "file://{root}/shared/deep",
        "file://{root}/shared/pipe",
        "file://{root}/shared/gone.wav",
        "file://{root}/shared/" + "x" * 400,
        "file://{root}/shared/one.wav/more",
    ],
)
def test_what_is_not_allowed_or_not_there_is_refused(store: BlobStore, tmp_path: Path, uri: str) -> None:
    shared = tmp_path / "shared"
    (shared / "deep").mkdir(parents=True)
    (shared / "one.wav").write_bytes(CONTENT)
    (tmp_path / "secret.wav").write_bytes(CONTENT)
    (tmp_path / "shared-and-more").mkdir()
    (tmp_path / "shared-and-more" / "secret.wav").write_bytes(CONTENT)
    (shared / "link.wav").symlink_to(tmp_path / "secret.wav")
    (shared / "folder").symlink_to(tmp_path)
    (shared / "loop").symlink_to(shared / "loop")
    os.mkfifo(shared / "pipe")

    with pytest.raises(InvalidBlob, match=r"claim_check\.uri"):
        store.get(claim(uri.format(root=tmp_path)))


def test_other_bytes_than_announced_are_refused_without_telling_what_they_are(store: BlobStore, tmp_path: Path) -> None:
    file = tmp_path / "shared" / "one.wav"
    file.parent.mkdir()
    file.write_bytes(b"somebody else's recording")

    with pytest.raises(InvalidBlob, match=r"claim_check\.sha256") as caught:
        store.get(claim(file.as_uri()))
    assert hashlib.sha256(b"somebody else's recording").hexdigest() not in str(caught.value)


def test_more_bytes_than_the_limit_are_neither_kept_nor_read(store: BlobStore, tmp_path: Path) -> None:
    large = bytes(1001)
    file = tmp_path / "shared" / "large.wav"
    file.parent.mkdir()
    file.write_bytes(large)

    with pytest.raises(BlobTooLarge, match="1000 bytes"):
        store.put(large)
    with pytest.raises(BlobTooLarge, match="1000 bytes"):
        store.get(claim(file.as_uri(), large))
    with pytest.raises(BlobTooLarge):
        store.get(ClaimCheck(uri=file.as_uri(), sha256=claim("", large).sha256))


def test_a_store_that_cannot_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("no folder")

    with pytest.raises(Unavailable, match="PARLEY_BLOBS_PREFIX"):
        BlobStore((tmp_path / "blobs").as_uri()).put(CONTENT)


@pytest.mark.parametrize("prefix", ["", "blobs", "no-such-scheme://x", "file://host/blobs", "file:///a/../b"])
def test_a_prefix_that_cannot_be_used_is_an_invalid_setting(prefix: str) -> None:
    with pytest.raises(InvalidSettings, match="PARLEY_BLOBS_PREFIX"):
        BlobStore(prefix)


def test_the_settings_name_the_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = StorageSettings.load(data_dir=tmp_path / "data")
    elsewhere = tmp_path / "elsewhere.wav"
    elsewhere.write_bytes(CONTENT)
    with pytest.raises(InvalidBlob):
        BlobStore.load(storage).get(claim(elsewhere.as_uri()))

    monkeypatch.setenv("PARLEY_BLOBS_ALLOWED_PREFIXES", f'["{tmp_path.as_uri()}"]')

    assert BlobStore.load(storage).get(claim(elsewhere.as_uri())) == CONTENT
    assert BlobStore.load(storage).put(CONTENT).uri.startswith((tmp_path / "data" / "blobs").as_uri())
