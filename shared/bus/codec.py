"""The one place where bodies are coded: identity today, a key a person later.

The id of the key travels in a header, so events written before and after a change of key are read side by side.
Ledger, outbox and dead letters keep the coded bytes.
"""

from __future__ import annotations

from typing import Protocol

KEY_ID_HEADER = "parley-key-id"


class BodyCodec(Protocol):
    """Turns an event's body into what is kept and sent, and back."""

    key_id: str

    def encode(self, body: bytes) -> bytes: ...

    def decode(self, coded: bytes) -> bytes: ...


class IdentityCodec:
    """Bodies travel as they are."""

    key_id = "identity"

    def encode(self, body: bytes) -> bytes:
        """The body itself."""
        return body

    def decode(self, coded: bytes) -> bytes:
        """The body itself."""
        return coded


class Codecs:
    """The codec new bodies are written with, and all those that old ones can be read with."""

    def __init__(self, writing: BodyCodec | None = None, *reading: BodyCodec) -> None:
        self.writing: BodyCodec = writing or IdentityCodec()
        self._by_key = {codec.key_id: codec for codec in (*reading, self.writing)}

    def reader(self, key_id: str) -> BodyCodec | None:
        """The codec of a key id, or None where it is unknown; no header at all means identity."""
        return self._by_key.get(key_id or IdentityCodec.key_id)
