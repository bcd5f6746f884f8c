"""Artifacts: written whole or not at all, and trusted only unaltered."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import fsspec
import pytest

from shared.artifacts import MANIFEST, Description, Signature, load_artifact, remove_leftovers, write_artifact
from shared.errors import InvalidArtifact

pytestmark = pytest.mark.unit

TASK = "guessing"
DESCRIPTION = Description(
    name="guesser",
    version="1-abc",
    base_model="none",
    task=TASK,
    lineage={"examples": 3},
    metrics={"accuracy": 0.5},
    signature=Signature({"text": "string"}, {"guess": "string"}),
)


def fill(folder: Path) -> Description:
    (folder / "part").mkdir()
    (folder / "part" / "weights.bin").write_bytes(b"\x01\x02\x03")
    (folder / "labels.json").write_text("[]", encoding="utf-8")
    return DESCRIPTION


def edit(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    """Damage that changes the manifest's content."""

    def damage(folder: Path) -> None:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        change(manifest)
        (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")

    return damage


def test_what_was_written_is_loaded(tmp_path: Path) -> None:
    written = write_artifact(tmp_path / "models" / "1-abc", fill)

    loaded = load_artifact(tmp_path / "models" / "1-abc", task=TASK)

    assert loaded == written
    assert loaded.description == DESCRIPTION
    assert set(loaded.files) == {"labels.json", "part/weights.bin"}
    assert (loaded.path / "part" / "weights.bin").read_bytes() == b"\x01\x02\x03"
    assert [each.name for each in (tmp_path / "models").iterdir()] == ["1-abc"]


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda folder: (folder / MANIFEST).unlink(), r"manifest.json: .* has no manifest; name the folder"),
        (lambda folder: (folder / MANIFEST).write_text("{"), r"manifest.json: .* is not JSON"),
        (
            lambda folder: (folder / MANIFEST).write_text("[]"),
            r"format: \[\] is a manifest format Parley does not read",
        ),
        (edit(lambda m: m.update(format=99)), r"format: 99 .* it reads 1"),
        (edit(lambda m: m.update(task="singing")), r"task: 'singing' .* whose task is guessing"),
        (edit(lambda m: m.pop("version")), r"version: None is refused"),
        (edit(lambda m: m.update(version="../1")), r"version: '../1' is refused"),
        (edit(lambda m: m.update(metrics={"accuracy": "good"})), r"metrics.accuracy: 'good' is refused"),
        (edit(lambda m: m.update(files={})), r"files: {} is refused"),
        (edit(lambda m: m["files"].update({"../evil": "0" * 64})), r"files: '../evil' leads out of the artifact"),
        (edit(lambda m: m["files"].update({"/etc/passwd": "0" * 64})), r"files: '/etc/passwd' leads out"),
        (edit(lambda m: m["files"].update({"more.bin": "0" * 64})), r"files.more.bin: .* is missing; fetch or train"),
        (lambda folder: (folder / "labels.json").unlink(), r"files.labels.json: .* is missing"),
        (
            lambda folder: (folder / "part" / "weights.bin").write_bytes(b"\x01\x02\x04"),
            r"files.part/weights.bin: .* is not [0-9a-f]{64}, as the manifest says; it was altered",
        ),
    ],
)
def test_a_bad_artifact_is_refused_with_the_field_the_value_and_the_remedy(
    tmp_path: Path, damage: Callable[[Path], object], named: str
) -> None:
    folder = write_artifact(tmp_path / "1-abc", fill).path
    damage(folder)

    with pytest.raises(InvalidArtifact, match=named):
        load_artifact(folder, task=TASK)


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        ("/nowhere/at/all", "manifest.json: '/nowhere/at/all' has no manifest"),
        ("carrier-pigeon://coop/1-abc", "uri: 'carrier-pigeon://coop/1-abc' cannot be read"),
    ],
)
def test_a_place_that_holds_no_artifact_is_named(uri: str, named: str) -> None:
    with pytest.raises(InvalidArtifact, match=named):
        load_artifact(uri, task=TASK)


def test_nothing_is_left_of_one_that_failed(tmp_path: Path) -> None:
    def fails(folder: Path) -> Description:
        (folder / "half.bin").write_bytes(b"half")
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        write_artifact(tmp_path / "1-abc", fails)

    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_writer_left_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".staging-1-abc-x").mkdir()
    write_artifact(tmp_path / "1-abc", fill)

    remove_leftovers(tmp_path)

    assert [each.name for each in tmp_path.iterdir()] == ["1-abc"]


def test_of_two_writers_the_first_one_stands_and_both_have_it(tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        written = list(pool.map(lambda _: write_artifact(tmp_path / "1-abc", fill), range(8)))

    assert all(each == written[0] for each in written)
    assert [each.name for each in tmp_path.iterdir()] == ["1-abc"]


def test_a_remote_artifact_is_fetched_once_and_checked(tmp_path: Path) -> None:
    written = write_artifact(tmp_path / "1-abc", fill)
    store = fsspec.filesystem("memory")
    store.put(str(written.path), "/store/1-abc", recursive=True)

    first = load_artifact("memory://store/1-abc", task=TASK, cache=tmp_path / "cache")
    store.rm("/store/1-abc/labels.json")
    second = load_artifact("memory://store/1-abc", task=TASK, cache=tmp_path / "cache")

    assert first.path == second.path
    assert first.path.is_relative_to(tmp_path / "cache")
    assert first.files == written.files
    store.rm("/store", recursive=True)


def test_a_remote_artifact_that_lacks_a_file_is_refused(tmp_path: Path) -> None:
    written = write_artifact(tmp_path / "1-abc", fill)
    store = fsspec.filesystem("memory")
    store.put(str(written.path), "/broken/1-abc", recursive=True)
    store.rm("/broken/1-abc/part/weights.bin")

    with pytest.raises(InvalidArtifact, match=r"files: .* is missing; upload the artifact again"):
        load_artifact("memory://broken/1-abc", task=TASK, cache=tmp_path / "cache")
    store.rm("/broken", recursive=True)
