"""The gateway's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from shared.settings import Section, section_config

# Asymmetric only: a public key must never be taken for a shared secret.
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]


class GatewaySettings(Section):
    """How utterances are taken in and turns are told of."""

    section = "gateway"
    model_config = section_config("gateway")

    max_body_bytes: int = Field(default=16 * 1024 * 1024, ge=1024, description="Largest HTTP body")
    max_bytes_in_flight: int = Field(
        default=256 * 1024 * 1024, ge=1024, description="Bytes of all HTTP bodies being received at once"
    )
    turns_per_minute: int = Field(default=6000, ge=0, description="Utterances of one user a minute; 0: any number")
    anonymous_turns_per_minute: int = Field(
        default=6000, ge=0, description="Utterances a minute from one address without a token; 0: any number"
    )
    max_backlog: int = Field(
        default=500, ge=1, description="Turns without a final reply from which on utterances are refused"
    )
    max_waiting: int = Field(default=1000, ge=1, description="HTTP requests that may wait for a turn at once")
    longest_wait_s: float = Field(default=120.0, gt=0, le=600, description="Longest `wait` of an HTTP request")
    follow_s: float = Field(default=300.0, gt=0, description="How long a stream waits for a turn's final reply")
    max_streams: int = Field(default=16, ge=1, description="Converse streams at once; each holds a gRPC thread")
    max_open_turns: int = Field(default=32, ge=1, description="Turns one Converse stream may have open at once")
    turn_deadline_s: float = Field(default=60.0, gt=0, description="A turn without its final reply is driven again")
    max_drives: int = Field(
        default=3, ge=0, le=20, description="How often a turn is driven again before it is given up"
    )
    give_up_grace_s: float = Field(
        default=3.0,
        ge=0,
        le=60,
        description="Time between giving a turn up and the apology, in which a reply under way may still arrive",
    )
    operator_roles: tuple[str, ...] = Field(
        default=("operator",), description="Roles that may read every turn of their tenant"
    )


class JwtSettings(Section):
    """Which tokens prove who is speaking. Without a key file, those signed with the development key are taken."""

    section = "jwt"
    model_config = section_config("jwt")

    issuer: str = Field(default="", description="Needed with a key file: the `iss` tokens must carry")
    audience: str = Field(default="", description="Needed with a key file: the `aud` tokens must carry")
    public_key_file: Path | None = Field(default=None, description="PEM public key of the issuer")
    jwks_file: Path | None = Field(
        default=None, description="JSON Web Key Set of the issuer; read again when it changes"
    )
    algorithms: tuple[Algorithm, ...] = Field(default=("RS256", "ES256", "EdDSA"), min_length=1)
    leeway_s: float = Field(default=30.0, ge=0, le=600, description="How far the issuer's clock may be off")
    roles_claim: str = Field(default="roles", min_length=1)
    tenant_claim: str = Field(default="tenant", min_length=1)
    anonymous_allowed: bool = Field(default=True, description="Whether a request without a token is taken, as nobody's")
