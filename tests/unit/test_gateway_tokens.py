"""Tokens: which are believed, which are refused and why, and that no refusal repeats one."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from parley.v1 import principal_pb2
from services.gateway.settings import JwtSettings
from services.gateway.tokens import TokenVerifier
from shared.errors import InvalidSettings, Unauthenticated
from shared.principals import development_token, ensure_keys

pytestmark = pytest.mark.unit

ISSUER, AUDIENCE = "https://id.example", "parley"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PEM = RSA_KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
DEVELOPMENT_KEY = ed25519.Ed25519PrivateKey.generate().public_key()


def claims(**changed: Any) -> dict[str, Any]:
    """What a good token says, with changes; None leaves a claim out."""
    now = int(time.time())
    good = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": now + 600, "roles": ["resident"], "tenant": "north"}
    return {name: value for name, value in (good | changed).items() if value is not None}


def signed(**changed: Any) -> str:
    """A token of the configured issuer."""
    return jwt.encode(claims(**changed), RSA_KEY, algorithm="RS256")


@pytest.fixture
def verifier(tmp_path: Path) -> TokenVerifier:
    """One that takes the tokens of ISSUER."""
    (tmp_path / "public.pem").write_bytes(PEM)
    return TokenVerifier(
        JwtSettings(issuer=ISSUER, audience=AUDIENCE, public_key_file=tmp_path / "public.pem"), DEVELOPMENT_KEY
    )


def test_a_good_token_says_who_speaks(verifier: TokenVerifier) -> None:
    principal = verifier.principal(f"Bearer {signed()}")

    assert principal == principal_pb2.Principal(user_id="ada", roles=["resident"], tenant="north")


def test_without_a_token_nobody_speaks(verifier: TokenVerifier) -> None:
    assert verifier.principal("") == principal_pb2.Principal()


def test_nobody_may_be_refused() -> None:
    strict = TokenVerifier(JwtSettings(anonymous_allowed=False), DEVELOPMENT_KEY)

    with pytest.raises(Unauthenticated, match="is missing; send 'Bearer' and a token"):
        strict.principal("")


def forged_with_the_public_key_as_secret() -> str:
    """RS256's public key taken for HS256's secret: the classic confusion."""

    def part(content: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=")

    message = part({"alg": "HS256", "typ": "JWT"}) + b"." + part(claims())
    signature = base64.urlsafe_b64encode(hmac.new(PEM, message, hashlib.sha256).digest()).rstrip(b"=")
    return (message + b"." + signature).decode()


@pytest.mark.parametrize(
    ("authorization", "told"),
    [
        pytest.param(lambda: f"Bearer {signed(exp=int(time.time()) - 60)}", "has expired", id="expired"),
        pytest.param(lambda: f"Bearer {signed(nbf=int(time.time()) + 600)}", "not valid yet", id="not yet valid"),
        pytest.param(lambda: f"Bearer {signed(aud='shop')}", "another audience", id="another audience"),
        pytest.param(lambda: f"Bearer {signed(iss='https://evil')}", "another issuer", id="another issuer"),
        pytest.param(lambda: f"Bearer {signed(sub=None)}", "lacks a claim", id="no user"),
        pytest.param(lambda: f"Bearer {signed(exp=None)}", "lacks a claim", id="valid for ever"),
        pytest.param(lambda: f"Bearer {signed(sub='')}", "'sub' is empty", id="an empty user"),
        pytest.param(lambda: f"Bearer {signed(sub=7)}", "cannot be read", id="a user that is a number"),
        pytest.param(lambda: f"Bearer {signed(sub='a' * 201)}", "user_id", id="a user too long"),
        pytest.param(lambda: f"Bearer {signed(roles='resident')}", "no list of texts", id="roles that are no list"),
        pytest.param(lambda: f"Bearer {signed(roles=[''])}", "roles", id="an empty role"),
        pytest.param(lambda: f"Bearer {signed(tenant=['north'])}", "'tenant' is no text", id="a tenant that is a list"),
        pytest.param(
            lambda: f"Bearer {jwt.encode(claims(), EC_KEY, algorithm='ES256')}", "cannot be read", id="another key"
        ),
        pytest.param(
            lambda: f"Bearer {jwt.encode(claims(), rsa.generate_private_key(65537, 2048), algorithm='RS256')}",
            "not signed by the issuer's key",
            id="the right algorithm and another key",
        ),
        pytest.param(lambda: f"Bearer {jwt.encode(claims(), '', algorithm='none')}", "algorithm", id="unsigned"),
        pytest.param(
            lambda: f"Bearer {forged_with_the_public_key_as_secret()}", "algorithm", id="public key as secret"
        ),
        pytest.param(lambda: "Bearer nonsense", "cannot be read", id="no token"),
        pytest.param(lambda: "Bearer ", "no bearer token", id="an empty token"),
        pytest.param(signed, "no bearer token", id="no scheme"),
        pytest.param(lambda: "Basic YWRhOnNlY3JldA==", "no bearer token", id="another scheme"),
    ],
)
def test_a_bad_token_is_refused_with_a_reason_that_does_not_repeat_it(
    verifier: TokenVerifier, authorization: Callable[[], str], told: str
) -> None:
    header = authorization()

    with pytest.raises(Unauthenticated, match="authorization") as refused:
        verifier.principal(header)

    text = str(refused.value)
    assert told in text
    pieces = [piece for word in header.split() for piece in word.split(".") if len(piece) > 6]
    assert not [piece for piece in pieces if piece in text]
    assert refused.value.__cause__ is None  # nor does what is logged with it


def test_the_issuers_clock_may_be_off_a_little(tmp_path: Path) -> None:
    (tmp_path / "public.pem").write_bytes(PEM)
    given: dict[str, Any] = {"issuer": ISSUER, "audience": AUDIENCE, "public_key_file": tmp_path / "public.pem"}
    just_expired = f"Bearer {signed(exp=int(time.time()) - 5)}"

    assert TokenVerifier(JwtSettings(**given, leeway_s=30), DEVELOPMENT_KEY).principal(just_expired).user_id == "ada"
    with pytest.raises(Unauthenticated, match="has expired"):
        TokenVerifier(JwtSettings(**given, leeway_s=0), DEVELOPMENT_KEY).principal(just_expired)


class TestDevelopment:
    """Without a configured issuer the key of the first run is the issuer's."""

    def test_a_development_token_is_taken(self, tmp_path: Path) -> None:
        verifier = TokenVerifier(JwtSettings(), ensure_keys(tmp_path).development_signing.public_key())

        principal = verifier.principal(f"bearer {development_token(tmp_path, 'bob', ['resident', 'operator'])}")

        assert principal == principal_pb2.Principal(user_id="bob", roles=["resident", "operator"])

    def test_a_development_token_expires(self, tmp_path: Path) -> None:
        verifier = TokenVerifier(JwtSettings(leeway_s=0), ensure_keys(tmp_path).development_signing.public_key())

        with pytest.raises(Unauthenticated, match="has expired"):
            verifier.principal(f"Bearer {development_token(tmp_path, ttl=-1)}")

    def test_the_token_of_another_installation_is_refused(self, tmp_path: Path) -> None:
        verifier = TokenVerifier(JwtSettings(), ensure_keys(tmp_path / "here").development_signing.public_key())

        with pytest.raises(Unauthenticated, match="not signed by the issuer's key"):
            verifier.principal(f"Bearer {development_token(tmp_path / 'there')}")

    def test_with_an_issuer_configured_development_tokens_are_worth_nothing(self, tmp_path: Path) -> None:
        (tmp_path / "public.pem").write_bytes(PEM)
        settings = JwtSettings(issuer=ISSUER, audience=AUDIENCE, public_key_file=tmp_path / "public.pem")
        verifier = TokenVerifier(settings, ensure_keys(tmp_path).development_signing.public_key())

        with pytest.raises(Unauthenticated):
            verifier.principal(f"Bearer {development_token(tmp_path)}")


class TestKeySets:
    """A JWKS file: several keys at once, and new ones without a restart."""

    def test_the_key_is_chosen_by_its_id(self, tmp_path: Path) -> None:
        verifier = self._verifier(tmp_path, first=RSA_KEY, second=EC_KEY)

        for key, kid, algorithm in ((RSA_KEY, "first", "RS256"), (EC_KEY, "second", "ES256")):
            token = jwt.encode(claims(), key, algorithm=algorithm, headers={"kid": kid})
            assert verifier.principal(f"Bearer {token}").user_id == "ada"

    @pytest.mark.parametrize("headers", [{"kid": "third"}, {}])
    def test_an_unknown_key_id_is_refused(self, tmp_path: Path, headers: dict[str, str]) -> None:
        verifier = self._verifier(tmp_path, first=RSA_KEY, second=EC_KEY)

        with pytest.raises(Unauthenticated, match="does not hold"):
            verifier.principal(f"Bearer {jwt.encode(claims(), RSA_KEY, algorithm='RS256', headers=headers)}")

    def test_a_rotated_key_is_taken_without_a_restart(self, tmp_path: Path) -> None:
        verifier = self._verifier(tmp_path, first=RSA_KEY)
        token = jwt.encode(claims(), EC_KEY, algorithm="ES256", headers={"kid": "second"})
        with pytest.raises(Unauthenticated):
            verifier.principal(f"Bearer {token}")

        self._write(tmp_path, second=EC_KEY)

        assert verifier.principal(f"Bearer {token}").user_id == "ada"

    @pytest.mark.parametrize("content", ["", "{", '{"keys": "none"}', '{"keys": []}', "[]"])
    def test_a_half_written_file_leaves_the_known_keys_in_force(self, tmp_path: Path, content: str) -> None:
        verifier = self._verifier(tmp_path, first=RSA_KEY)
        self._age(tmp_path, content)

        assert verifier.principal(f"Bearer {signed()}").user_id == "ada"

    @staticmethod
    def _write(folder: Path, **keys: Any) -> None:
        kinds: dict[type, Any] = {
            rsa.RSAPrivateKey: jwt.algorithms.RSAAlgorithm,
            ec.EllipticCurvePrivateKey: jwt.algorithms.ECAlgorithm,
        }
        listed = []
        for kid, key in keys.items():
            kind = next(algorithm for kind, algorithm in kinds.items() if isinstance(key, kind))
            listed.append({**kind.to_jwk(key.public_key(), as_dict=True), "kid": kid})
        TestKeySets._age(folder, json.dumps({"keys": listed}))

    @staticmethod
    def _age(folder: Path, content: str) -> None:
        """Write the file with a time of its own, however fast the test runs."""
        file = folder / "jwks.json"
        before = file.stat().st_mtime_ns if file.exists() else 0
        file.write_text(content)
        os.utime(file, ns=(before + 10**9, before + 10**9))

    def _verifier(self, folder: Path, **keys: Any) -> TokenVerifier:
        self._write(folder, **keys)
        settings = JwtSettings(issuer=ISSUER, audience=AUDIENCE, jwks_file=folder / "jwks.json")
        return TokenVerifier(settings, DEVELOPMENT_KEY)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"public_key_file": "public.pem", "audience": AUDIENCE}, "PARLEY_JWT_ISSUER.*must name"),
        ({"public_key_file": "public.pem", "issuer": ISSUER}, "PARLEY_JWT_AUDIENCE.*must name"),
        ({"public_key_file": "missing.pem", "issuer": ISSUER, "audience": AUDIENCE}, "PUBLIC_KEY_FILE.*cannot be read"),
        ({"public_key_file": "letter.txt", "issuer": ISSUER, "audience": AUDIENCE}, "is no PEM public key"),
        ({"jwks_file": "letter.txt", "issuer": ISSUER, "audience": AUDIENCE}, "is no JSON Web Key Set"),
        ({"jwks_file": "missing.json", "issuer": ISSUER, "audience": AUDIENCE}, "JWKS_FILE.*cannot be read"),
        (
            {"jwks_file": "j", "public_key_file": "p", "issuer": ISSUER, "audience": AUDIENCE},
            "excludes public_key_file",
        ),
    ],
)
def test_settings_that_prove_nothing_are_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "public.pem").write_bytes(PEM)
    (tmp_path / "letter.txt").write_text("dear reader")

    with pytest.raises(InvalidSettings, match=told):
        TokenVerifier(JwtSettings(**given), DEVELOPMENT_KEY)


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_shared_secrets_and_no_signature_cannot_be_configured(monkeypatch: pytest.MonkeyPatch, algorithm: str) -> None:
    monkeypatch.setenv("PARLEY_JWT_ALGORITHMS", json.dumps([algorithm]))

    with pytest.raises(InvalidSettings, match="PARLEY_JWT_ALGORITHMS"):
        JwtSettings.load()
