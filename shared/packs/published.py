"""Packs that came by event: their archives, and which of them this deployment serves.

They stand in `data_dir/packs/<name>/<digest>`; `data_dir/packs/active.json` lists the set that is served. Every process
of a deployment writes the same there, so they may share the folder.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from parley.v1 import packs_pb2
from shared.errors import InvalidInput, InvalidPack
from shared.packs.checking import examine
from shared.packs.model import Pack
from shared.packs.problems import refuse

_MOST_FILES, _MOST_UNPACKED = 1000, 20_000_000  # files of a pack, and bytes of all of them
MOST_BYTES = 900_000  # of an archive: brokers take 1 MB by default
_ACTIVE = "active.json"


def ref_of(pack: Pack) -> packs_pb2.PackRef:
    """The name of `pack`, to the byte."""
    return packs_pb2.PackRef(name=pack.name, version=pack.version, digest=pack.digest)


def archived(pack: Pack) -> packs_pb2.PublishedPack:
    """`pack` with all its files, the same bytes every time; raises InvalidInput for one that is too large."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
        for file in sorted(each for each in pack.path.rglob("*") if each.is_file()):
            info = tarfile.TarInfo(file.relative_to(pack.path).as_posix())
            info.size = file.stat().st_size
            with file.open("rb") as content:
                tar.addfile(info, content)
    size = len(buffer.getvalue())
    if size > MOST_BYTES:
        remedy = f"is over {MOST_BYTES} bytes packed; bundle it to a store and name it in PARLEY_PACKS_PATHS"
        raise InvalidInput("FOLDER", f"{pack.path} ({size} bytes)", remedy)
    return packs_pb2.PublishedPack(pack=ref_of(pack), archive=buffer.getvalue())


class PublishedPacks:
    """The published packs that a data folder holds."""

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "packs"

    def store(self, published: packs_pb2.PublishedPack) -> Path:
        """The folder of the pack, unpacked and checked where it is not there yet; raises InvalidPack."""
        ref = published.pack
        target = self.path_of(ref)
        if target.is_dir():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=".unpacking-") as temporary:
            folder = Path(temporary) / ref.name
            folder.mkdir()
            try:
                with tarfile.open(fileobj=io.BytesIO(published.archive), mode="r:gz") as tar:
                    _check(tar)
                    tar.extractall(folder, filter="data")
            except (tarfile.TarError, OSError, EOFError) as error:
                raise InvalidPack("archive", ref.name, f"is no gzipped tar of a pack: {error}") from error
            pack, problems = examine(folder)
            refuse(ref.name, problems)
            assert pack is not None  # without a pack there is a problem
            if ref_of(pack) != ref:
                remedy = f"holds {pack.name} {pack.version} {pack.digest[:12]}; publish it anew"
                raise InvalidPack("pack", f"{ref.name} {ref.version} {ref.digest[:12]}", remedy)
            try:
                folder.rename(target)
            except OSError:  # another process was first
                if not target.is_dir():
                    raise
        return target

    def path_of(self, ref: packs_pb2.PackRef) -> Path:
        """Where the pack stands once it is stored."""
        return self.folder / ref.name / ref.digest

    def active(self, file: Path | None = None) -> tuple[packs_pb2.PackRef, ...]:
        """What is served, by name; raises InvalidPack for a list that cannot be read."""
        file = file or self.folder / _ACTIVE
        if not file.is_file():
            return ()
        try:
            return tuple(packs_pb2.PackRef(**each) for each in json.loads(file.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise InvalidPack("packs", str(file), f"cannot be read ({error}); remove it, it is written anew") from error

    def serve(self, refs: Sequence[packs_pb2.PackRef], file: Path | None = None) -> None:
        """From now on these are served; `file`: written there instead of where processes look by themselves."""
        file = file or self.folder / _ACTIVE
        file.parent.mkdir(parents=True, exist_ok=True)
        listed = [{"name": ref.name, "version": ref.version, "digest": ref.digest} for ref in in_order(refs)]
        partial = file.with_suffix(f".{os.getpid()}.partial")
        partial.write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
        partial.replace(file)


def _check(tar: tarfile.TarFile) -> None:
    """Raise InvalidPack for an archive that grows beyond what a pack is; it is read no further than that."""
    size = 0
    for number, entry in enumerate(tar, 1):
        size += entry.size
        if number > _MOST_FILES or size > _MOST_UNPACKED:
            limits = f"a pack has at most {_MOST_FILES} files and {_MOST_UNPACKED} bytes"
            raise InvalidPack("archive", f"{number} files, {size} bytes", f"is too large; {limits}")


def in_order(refs: Sequence[packs_pb2.PackRef]) -> tuple[packs_pb2.PackRef, ...]:
    """By name: two lists of the same packs are equal then."""
    return tuple(sorted(refs, key=lambda ref: ref.name))
