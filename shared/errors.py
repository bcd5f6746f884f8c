"""Every error Parley raises on purpose.

ParleyError                 says what was wrong, with what value, and what to do
├── InvalidInput            the caller's fault: a field, its value, the remedy
│   ├── InvalidSettings     a setting
│   ├── InvalidEvent        an event that cannot be read: goes to dead letters
│   ├── InvalidArtifact     a model folder that cannot be trusted
│   ├── InvalidPack         a domain pack that contradicts itself
│   └── InvalidBlob         a claim check that may not be read, or whose bytes are gone or altered
│       └── BlobTooLarge    more bytes than the store keeps or reads
├── Unauthenticated         the caller's token cannot be trusted, or is missing where one is needed
├── PermanentError          will fail again however often it is tried
│   └── NotFound            a thing named by the caller does not exist
└── TransientError          may succeed when tried again (`retryable` is true)
    ├── Unavailable         something Parley needs does not answer
    └── Overloaded          a queue is full; carries `retry_after` in seconds
"""

from __future__ import annotations


class ParleyError(Exception):
    """Base of all errors raised on purpose; `retryable` tells whether trying again can help."""

    retryable = False


class InvalidInput(ParleyError):
    """A value from outside that cannot be used. Its text names the field, the value and the remedy."""

    def __init__(self, field: str, value: object, remedy: str) -> None:
        shown = repr(value)
        if len(shown) > 120:
            shown = f"{shown[:117]}..."
        super().__init__(f"{field}: {shown} {remedy}")
        self.field = field
        self.remedy = remedy


class InvalidSettings(InvalidInput):
    """A setting that cannot be used."""


class InvalidEvent(InvalidInput):
    """An event that cannot be read or breaks its contract."""


class InvalidArtifact(InvalidInput):
    """A model artifact that is incomplete, altered or of the wrong kind."""


class InvalidPack(InvalidInput):
    """A domain pack that is incomplete or contradicts itself."""


class Unauthenticated(ParleyError):
    """A caller who is not who they say. Its text never holds the token."""


class InvalidBlob(InvalidInput):
    """A claim check that points where it may not, or at bytes that are gone or altered."""


class BlobTooLarge(InvalidBlob):
    """More bytes than the store keeps or reads."""


class PermanentError(ParleyError):
    """Work that fails however often it is tried."""


class NotFound(PermanentError):
    """Something named by the caller does not exist."""


class TransientError(ParleyError):
    """Work that may succeed later."""

    retryable = True


class Unavailable(TransientError):
    """A part that Parley needs does not answer."""


class Overloaded(TransientError):
    """A bounded queue is full."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after
