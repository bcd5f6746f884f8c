"""From a bearer token to a principal. No text that leaves this module holds a token or a piece of one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import protovalidate
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jwt.types import Options

from parley.v1 import principal_pb2
from services.gateway.refusal import field_path
from services.gateway.settings import JwtSettings
from shared.errors import InvalidSettings, Unauthenticated
from shared.principals import DEVELOPMENT_AUDIENCE, DEVELOPMENT_ISSUER

_Key = Any  # whatever PyJWT takes as a public key
_REMEDIES: tuple[tuple[type[jwt.PyJWTError], str], ...] = (
    (jwt.ExpiredSignatureError, "has expired; get a new one"),
    (jwt.ImmatureSignatureError, "is not valid yet; wait, or set the issuer's clock right"),
    (jwt.InvalidAudienceError, "is meant for another audience; ask its issuer for one for {audience!r}"),
    (jwt.InvalidIssuerError, "comes from another issuer; get one from {issuer!r}"),
    (jwt.InvalidAlgorithmError, "is signed with an algorithm that is not taken; use one of {algorithms}"),
    (jwt.InvalidSignatureError, "is not signed by the issuer's key; get one from {issuer!r}"),
    (jwt.MissingRequiredClaimError, "lacks a claim it must have: exp, sub, iss and aud"),
)


class TokenVerifier:
    """Checks tokens against the configured issuer, or against the development key where none is configured."""

    def __init__(self, settings: JwtSettings, development_key: Ed25519PublicKey) -> None:
        """Raises InvalidSettings where the key files cannot be used or say nothing of issuer and audience."""
        self._settings = settings
        self._issuer, self._audience = settings.issuer, settings.audience
        self._algorithms: list[str] = list(settings.algorithms)
        self._key_for = self._key_source(development_key)

    def principal(self, authorization: str) -> principal_pb2.Principal:
        """Who sent the header `authorization` ("" for none); raises Unauthenticated."""
        if not authorization:
            if self._settings.anonymous_allowed:
                return principal_pb2.Principal()
            raise Unauthenticated("authorization: is missing; send 'Bearer' and a token")
        scheme, _, token = authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("authorization: is no bearer token; send 'Bearer' and a token")
        return self._principal_of(self._claims(token.strip()))

    def _claims(self, token: str) -> dict[str, Any]:
        options: Options = {"require": ["exp", "sub", "iss", "aud"]}
        try:
            header = jwt.get_unverified_header(token)
            return jwt.decode(
                token,
                key=self._key_for(str(header.get("kid", ""))),
                algorithms=self._algorithms,
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._settings.leeway_s,
                options=options,
            )
        except jwt.PyJWTError as error:
            remedy = next(
                (text for kind, text in _REMEDIES if isinstance(error, kind)), "cannot be read; get a new one"
            )
            told = remedy.format(audience=self._audience, issuer=self._issuer, algorithms=", ".join(self._algorithms))
            # The cause is cut off: PyJWT's own texts may quote the token.
            raise Unauthenticated(f"authorization: the token {told}") from None

    def _principal_of(self, claims: dict[str, Any]) -> principal_pb2.Principal:
        roles, tenant = claims.get(self._settings.roles_claim, []), claims.get(self._settings.tenant_claim, "")
        if not isinstance(roles, list) or not all(isinstance(role, str) for role in roles):
            raise Unauthenticated(
                f"authorization: the token's claim {self._settings.roles_claim!r} is no list of texts"
            )
        if not isinstance(tenant, str):
            raise Unauthenticated(f"authorization: the token's claim {self._settings.tenant_claim!r} is no text")
        if not claims["sub"]:
            raise Unauthenticated("authorization: the token's claim 'sub' is empty; it names the user")
        principal = principal_pb2.Principal(user_id=claims["sub"], roles=roles, tenant=tenant)
        violations = protovalidate.collect_violations(principal)
        if violations:
            told = "; ".join(f"{field_path(each.proto.field)} {each.proto.message}" for each in violations)
            raise Unauthenticated(f"authorization: the token's claims cannot be used: {told}")
        return principal

    def _key_source(self, development_key: Ed25519PublicKey) -> Callable[[str], _Key]:
        settings = self._settings
        if settings.public_key_file is not None and settings.jwks_file is not None:
            raise InvalidSettings(
                "PARLEY_JWT_JWKS_FILE", str(settings.jwks_file), "excludes public_key_file; unset one"
            )
        if settings.public_key_file is None and settings.jwks_file is None:
            self._issuer, self._audience, self._algorithms = DEVELOPMENT_ISSUER, DEVELOPMENT_AUDIENCE, ["EdDSA"]
            return lambda _kid: development_key
        for name in ("issuer", "audience"):
            if not getattr(settings, name):
                raise InvalidSettings(f"PARLEY_JWT_{name.upper()}", "", f"must name the tokens' {name} with a key file")
        if settings.public_key_file is not None:
            pem = _read(settings.public_key_file, "PARLEY_JWT_PUBLIC_KEY_FILE")
            if b"PUBLIC KEY" not in pem:
                raise InvalidSettings(
                    "PARLEY_JWT_PUBLIC_KEY_FILE", str(settings.public_key_file), "is no PEM public key"
                )
            return lambda _kid: pem
        assert settings.jwks_file is not None
        return KeySet(settings.jwks_file).key


class KeySet:
    """The keys of a JWKS file, read again when it changes, so that an issuer's key can be rotated without a restart."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._changed_at = 0
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read()

    def key(self, kid: str) -> jwt.PyJWK:
        """The key with that id, or the only key there is where a token names none."""
        self._read()
        if not kid and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        if kid not in self._keys:
            raise Unauthenticated("authorization: the token is signed with a key the issuer's key set does not hold")
        return self._keys[kid]

    def _read(self) -> None:
        try:
            changed_at = self._file.stat().st_mtime_ns
        except OSError:
            changed_at = -1  # being replaced: the keys known so far stay good
        if self._keys and changed_at in (-1, self._changed_at):
            return
        try:
            keys = jwt.PyJWKSet.from_dict(json.loads(_read(self._file, "PARLEY_JWT_JWKS_FILE"))).keys
        except (ValueError, AttributeError, jwt.PyJWTError) as error:
            if self._keys:
                return  # half written: read again at the next token
            raise InvalidSettings("PARLEY_JWT_JWKS_FILE", str(self._file), "is no JSON Web Key Set") from error
        self._keys = {key.key_id or "": key for key in keys}
        self._changed_at = changed_at


def _read(file: Path, setting: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise InvalidSettings(setting, str(file), f"cannot be read: {error.strerror}") from error
