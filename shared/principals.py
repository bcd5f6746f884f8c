"""Whom a turn belongs to, and how that is proven on its way over Kafka.

The gateway takes the principal from a verified token and seals it; whoever reads the entry topic next keeps a principal
only where the seal is right, or where the topic's writers are trusted. The keys are made at the first run.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import Field

from parley.v1 import principal_pb2, turn_pb2
from shared.errors import InvalidSettings
from shared.events import Event
from shared.settings import KafkaSettings, Section, StorageSettings, section_config

SEAL_HEADER = "parley-principal-seal"
DEVELOPMENT_ISSUER = "parley-development"
DEVELOPMENT_AUDIENCE = "parley"
_SEAL_BYTES = 32


class PrincipalSettings(Section):
    """How principals are sealed between the gateway and the services that read the entry topic."""

    section = "principal"
    model_config = section_config("principal")

    seal_key_file: Path | None = Field(
        default=None,
        description="32 random bytes or more, the same file for every service; unset: made in the data folder",
    )


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys made at the first run."""

    seal: bytes
    development_signing: Ed25519PrivateKey


def ensure_keys(data_dir: Path) -> Keys:
    """The keys of `data_dir`, made where they are missing: mode 0600, and the same for processes that start at once."""
    folder = data_dir / "keys"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seal = _ensure(folder / "principal-seal.key", lambda: secrets.token_bytes(_SEAL_BYTES))
    pem = _ensure(folder / "development-jwt.pem", _new_signing_key)
    try:
        signing = serialization.load_pem_private_key(pem, password=None)
    except ValueError as error:
        raise _spoilt(folder / "development-jwt.pem") from error
    if len(seal) < _SEAL_BYTES:
        raise _spoilt(folder / "principal-seal.key")
    if not isinstance(signing, Ed25519PrivateKey):
        raise _spoilt(folder / "development-jwt.pem")
    return Keys(seal, signing)


def development_token(
    data_dir: Path, user: str = "dev", roles: Sequence[str] = ("resident",), ttl: float = 3600.0, tenant: str = ""
) -> str:
    """A token for `user`, valid `ttl` seconds; a gateway over the same folder takes it while no other key is set."""
    now = int(time.time())
    claims = {
        "iss": DEVELOPMENT_ISSUER,
        "aud": DEVELOPMENT_AUDIENCE,
        "sub": user,
        "roles": list(roles),
        "iat": now,
        "exp": now + round(ttl),
    }
    if tenant:
        claims["tenant"] = tenant
    return jwt.encode(claims, ensure_keys(data_dir).development_signing, algorithm="EdDSA")


class PrincipalSeal:
    """Seals principals and checks the seals of others. `trusted_topics`: entry topics whose writers are believed."""

    def __init__(self, key: bytes, trusted_topics: Collection[str] = ()) -> None:
        self._key = key
        self._trusted = frozenset(trusted_topics)

    @classmethod
    def load(cls, storage: StorageSettings, kafka: KafkaSettings) -> PrincipalSeal:
        """The seal of this installation; raises InvalidSettings where its key cannot be read."""
        file = PrincipalSettings.load().seal_key_file
        if file is None:
            return cls(ensure_keys(storage.data_dir).seal, kafka.trusted_topics)
        try:
            key = file.read_bytes()
        except OSError as error:
            raise InvalidSettings("PARLEY_PRINCIPAL_SEAL_KEY_FILE", str(file), f"cannot be read: {error}") from error
        if len(key) < _SEAL_BYTES:
            raise InvalidSettings("PARLEY_PRINCIPAL_SEAL_KEY_FILE", str(file), "is too short; write 32 random bytes")
        return cls(key, kafka.trusted_topics)

    def seal(self, utterance: turn_pb2.Utterance) -> dict[str, str]:
        """The header that proves the principal of `utterance`, for these words and this turn and no others."""
        return {SEAL_HEADER: self._code(utterance)}

    def verify(self, event: Event) -> principal_pb2.Principal:
        """Whom an utterance of the entry topic belongs to: what its body claims if that is proven, else nobody."""
        utterance = event.body
        if not isinstance(utterance, turn_pb2.Utterance) or not utterance.HasField("principal"):
            return principal_pb2.Principal()
        sealed = event.headers.get(SEAL_HEADER, "").encode()
        proven = bool(utterance.turn_id) and hmac.compare_digest(sealed, self._code(utterance).encode())
        if event.topic in self._trusted or proven:
            return utterance.principal
        return principal_pb2.Principal()

    def _code(self, utterance: turn_pb2.Utterance) -> str:
        return hmac.new(self._key, utterance.SerializeToString(deterministic=True), hashlib.sha256).hexdigest()


def _ensure(file: Path, make: Callable[[], bytes]) -> bytes:
    """Contents of `file`, made where it is missing. The link appears whole or not at all, and for one maker only."""
    if not file.exists():
        draft = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(make())
                stream.flush()
                os.fsync(stream.fileno())
            file.hardlink_to(draft)
        except FileExistsError:
            pass  # another process was first; its key is everybody's
        finally:
            draft.unlink()
    return file.read_bytes()


def _new_signing_key() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _spoilt(file: Path) -> InvalidSettings:
    return InvalidSettings("storage.data_dir", str(file), "holds no key of ours; delete it and a new one is made")
