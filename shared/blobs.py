"""Bytes kept outside the events: recordings and attachments, named by a claim check (URI and digest).

What is written is named by its content. What is read may come from elsewhere, where the settings allow its prefix; a
claim check comes from a client, so it proves nothing until the bytes match it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem
from pydantic import Field

from parley.v1 import asr_pb2
from shared.errors import BlobTooLarge, InvalidBlob, InvalidSettings, Unavailable
from shared.settings import Section, StorageSettings, section_config

_URI = "claim_check.uri"
# What can be wrong with a disk for a while. Anything else is the claim check's own fault: trying again is no help.
_PASSING = frozenset({errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ETIMEDOUT})


class BlobSettings(Section):
    """Where recordings and attachments are kept, and from where else they are read."""

    section = "blobs"
    model_config = section_config("blobs")

    prefix: str = Field(default="", description="URI prefix to write to; empty: blobs/ in the data folder")
    allowed_prefixes: tuple[str, ...] = Field(
        default=(), description="URI prefixes clients may name in claim checks, besides `prefix`; JSON list"
    )
    max_bytes: int = Field(default=16 * 1024 * 1024, ge=1, description="Largest recording or attachment read or kept")


@dataclass(frozen=True, slots=True)
class _Prefix:
    """A place that may be read: everything below `path` of a file system."""

    scheme: str
    path: str  # no slash at its end; a bucket or host comes first in it
    files: Any

    def holds(self, scheme: str, path: str) -> bool:
        """True where `path` lies below this place, links followed."""
        if scheme != self.scheme:
            return False
        if scheme == "file":
            return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.path or "/"))
        return path.startswith(f"{self.path}/")


class BlobStore:
    """Writes under `prefix_uri`; reads there and under `allowed_prefixes`; nothing larger than `max_bytes`."""

    def __init__(self, prefix_uri: str, allowed_prefixes: Sequence[str] = (), max_bytes: int = 16 * 1024 * 1024):
        """Raises InvalidSettings for a prefix that is no URI, or whose scheme needs a package that is not there."""
        self._own = _prefix("PARLEY_BLOBS_PREFIX", prefix_uri)
        others = [_prefix("PARLEY_BLOBS_ALLOWED_PREFIXES", uri) for uri in allowed_prefixes]
        self._allowed = [self._own, *others]
        self._max_bytes = max_bytes

    @classmethod
    def load(cls, storage: StorageSettings) -> BlobStore:
        """The store of this installation."""
        settings = BlobSettings.load()
        prefix = settings.prefix or (storage.data_dir.absolute() / "blobs").as_uri()
        return cls(prefix, settings.allowed_prefixes, settings.max_bytes)

    def put(self, content: bytes) -> asr_pb2.ClaimCheck:
        """Keep `content`; the same bytes have the same claim check. Raises BlobTooLarge, Unavailable."""
        self._refuse_large(len(content), "bytes")
        digest = hashlib.sha256(content).hexdigest()
        folder = f"{self._own.path}/{digest[:2]}"
        try:
            self._write(folder, digest, content)
        except OSError as error:
            remedy = "check the disk and PARLEY_BLOBS_PREFIX"
            raise Unavailable(f"blobs: {folder} cannot be written ({error}); {remedy}") from error
        path = f"{folder}/{digest}"
        uri = Path(path).as_uri() if self._own.scheme == "file" else f"{self._own.scheme}://{path}"
        return asr_pb2.ClaimCheck(uri=uri, sha256=digest, size_bytes=len(content))

    def get(self, claim: asr_pb2.ClaimCheck) -> bytes:
        """The bytes of `claim`.

        Raises InvalidBlob where it points outside the allowed prefixes, at nothing, or at other bytes; BlobTooLarge;
        Unavailable where the store does not answer.
        """
        self._refuse_large(claim.size_bytes, "claim_check.size_bytes")
        files, path = self._locate(claim.uri)
        try:
            if files.info(path)["type"] != "file":  # a pipe would be read forever
                raise InvalidBlob(_URI, claim.uri, "is no file; name the recording itself")
            with files.open(path, "rb") as stream:
                content: bytes = stream.read(self._max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise InvalidBlob(_URI, claim.uri, "is not there (any more); store the bytes again") from error
        except OSError as error:
            if isinstance(error, PermissionError) or (
                isinstance(files, LocalFileSystem) and error.errno not in _PASSING
            ):
                remedy = f"cannot be read by this service ({error.strerror}); name a file it may read"
                raise InvalidBlob(_URI, claim.uri, remedy) from error
            raise Unavailable(f"blobs: the store of {claim.uri!r} does not answer: {error}") from error
        self._refuse_large(len(content), "claim_check")
        if hashlib.sha256(content).hexdigest() != claim.sha256:
            remedy = "is not the digest of the bytes; send that of the file as it is stored"
            raise InvalidBlob("claim_check.sha256", claim.sha256, remedy)
        return content

    def _write(self, folder: str, digest: str, content: bytes) -> None:
        files = self._own.files
        if not isinstance(files, LocalFileSystem):
            files.pipe_file(f"{folder}/{digest}", content)  # object stores show an object when it is whole
            return
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = Path(folder) / f".{digest}.{uuid.uuid4().hex}"
        try:
            files.pipe_file(str(draft), content)
            draft.replace(Path(folder) / digest)
        finally:
            draft.unlink(missing_ok=True)

    def _locate(self, uri: str) -> tuple[Any, str]:
        """The file system and path of a URI under an allowed prefix."""
        scheme, path = _split(uri)
        for allowed in self._allowed:
            if allowed.holds(scheme, path):
                return allowed.files, path
        remedy = "is under no allowed prefix; send the bytes themselves, or allow it by PARLEY_BLOBS_ALLOWED_PREFIXES"
        raise InvalidBlob(_URI, uri, remedy)

    def _refuse_large(self, size: int, field: str) -> None:
        if size > self._max_bytes:
            raise BlobTooLarge(field, size, f"is over the limit of {self._max_bytes} bytes; send less")


def _split(uri: str) -> tuple[str, str]:
    """Scheme and path; raises InvalidBlob for anything that could mean another place than it seems to."""
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise InvalidBlob(_URI, uri, f"is no URI: {error}") from error
    plain = unquote(parts.path)
    if not parts.scheme or "::" in uri or "\0" in plain or parts.query or parts.fragment or "@" in parts.netloc:
        raise InvalidBlob(_URI, uri, "is no plain URI; write scheme://host/path")
    if {".", ".."} & set(plain.split("/")):
        raise InvalidBlob(_URI, uri, "holds a '.' or '..' segment; write the path itself")
    if parts.scheme != "file":
        return parts.scheme, f"{parts.netloc}{parts.path}"
    if parts.netloc not in ("", "localhost") or not plain.startswith("/"):
        raise InvalidBlob(_URI, uri, "is no path of this machine; write file:///path")
    return "file", plain


def _prefix(setting: str, uri: str) -> _Prefix:
    try:
        scheme, path = _split(uri)
        return _Prefix(scheme, path.rstrip("/"), fsspec.filesystem(scheme))
    except InvalidBlob as error:
        raise InvalidSettings(setting, uri, error.remedy) from error
    except (ImportError, ValueError) as error:
        raise InvalidSettings(setting, uri, f"names a store that cannot be reached: {error}") from error
