"""Bad input at the gateway's HTTP door: each with the field, the reason and the remedy, and nothing sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import structlog

from parley.v1 import principal_pb2, turn_pb2
from services.gateway.engine import Opening
from services.gateway.ledger import Ledger
from services.gateway.reception import Reception
from shared.bus.codec import Codecs
from shared.errors import Unavailable
from shared.principals import development_token
from tests.gateway_parts import SEAL, Gateway, keep_audio, running_gateway

pytestmark = pytest.mark.integration

LIMIT = 64 * 1024
JSON = {"content-type": "application/json"}
WAV = {"content-type": "audio/wav"}
NO_TURN = "/v1/turns/00000000-0000-4000-8000-000000000000"
FORM = {"content-type": "multipart/form-data; boundary=x"}


@dataclass(frozen=True)
class Bad:
    """A request that is refused."""

    name: str
    status: int
    code: str
    fields: tuple[str, ...]  # the fields the answer names
    told: str  # a piece of the answer
    method: str = "POST"
    path: str = "/v1/utterances"
    body: Any = b""
    headers: dict[str, str] = field(default_factory=dict)


def says(name: str, document: Any, *fields: str, told: str = "") -> Bad:
    """A JSON body that is refused."""
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return Bad(name, 400, "invalid_argument", fields, told, body=body, headers=JSON)


def form(*parts: tuple[str, bytes]) -> bytes:
    """A multipart body with the boundary x; parts as (what the disposition says, content)."""
    return b"".join(
        f"--x\r\nContent-Disposition: form-data; {says}\r\n\r\n".encode() + content + b"\r\n" for says, content in parts
    )


_PICTURE = {"claim_check": {"uri": "file:///cat.png", "sha256": "0" * 64}}
CASES = [
    says("no JSON", b'{"text": "hi",', "body", told="line 1, column 15"),
    says("JSON cut off on a later line", b'{\n"text" "hi"}', "body", told="line 2, column 8"),
    says("an empty body", b"", "body", told="line 1, column 1"),
    says("bytes that are no UTF-8", b'{"text": "\xff"}', "body", told="UTF-8"),
    says("a list", [1], "body", told="is no JSON object"),
    says("null", None, "body", told="is no JSON object"),
    says("JSON nested without end", b'{"text":' + b"[" * 20000, "body", told="too deep"),
    says("unknown fields at any depth", {"txt": 1, "audio": {"dta": ""}}, "txt", "audio.dta", told="is unknown"),
    says("an unknown field of a list's item", {"text": "a", "attachments": [{"nam": "b"}]}, "attachments[0].nam"),
    says("a number for a text", {"text": 7}, "text", told="expected string"),
    says("a text for an object", {"audio": "RIFF"}, "audio", told="is no object"),
    says("an object for a list", {"text": "a", "attachments": {}}, "attachments", told="is no list"),
    says("base64 that is none", {"audio": {"data": "UklG*g=="}}, "audio.data", told="no base64"),
    says("a time that is none", {"text": "a", "said_at": "yesterday"}, "said_at"),
    says("two contents", {"text": "a", "audio": {"data": "UklGRg=="}}, "body", told="content"),
    says("no content", {"locale": "en"}, "content", told="required"),
    says("an empty text", {"text": ""}, "text", told="at least 1"),
    says("a text too long", {"text": "a" * 8001}, "text", told="at most 8000"),
    says("empty audio", {"audio": {}}, "audio.source"),
    says(
        "every field that is wrong at once",
        {"text": "a", "turn_id": "7", "conversation_id": "a b", "locale": "English!"},
        "turn_id",
        "conversation_id",
        "locale",
    ),
    says("too many attachments", {"text": "a", "attachments": [_PICTURE] * 17}, "attachments"),
    says("a digest that is none", {"audio": {"claim_check": {"uri": "a", "sha256": "x"}}}, "audio.claim_check.sha256"),
    Bad(
        "an empty recording's locale",
        400,
        "invalid_argument",
        ("locale",),
        "",
        path="/v1/utterances?locale=??",
        body=b"R",
        headers=WAV,
    ),
    Bad(
        "a conversation that is no id",
        400,
        "invalid_argument",
        ("conversation_id",),
        "",
        path="/v1/utterances?conversation_id=a%20b",
        body=b"R",
        headers=WAV,
    ),
    Bad(
        "another kind of body",
        415,
        "unsupported_media_type",
        ("content-type",),
        "send application/json",
        body=b"a",
        headers={"content-type": "text/plain"},
    ),
    Bad("no kind of body", 415, "unsupported_media_type", ("content-type",), "audio/*", body=b"a"),
    Bad(
        "a body too large",
        413,
        "payload_too_large",
        ("body",),
        f"at most {LIMIT} bytes",
        body=b"a" * (LIMIT + 1),
        headers=WAV,
    ),
    Bad(
        "a body too large that does not say so",
        413,
        "payload_too_large",
        ("body",),
        f"at most {LIMIT} bytes",
        body=[b"a" * 1024] * 100,
        headers=WAV,
    ),
    Bad(
        "a form too large that does not say so",
        413,
        "payload_too_large",
        ("body",),
        f"at most {LIMIT} bytes",
        body=[form(('name="audio"; filename="a"', b""))[:-2], *[b"a" * 1024] * 100],
        headers=FORM,
    ),
    Bad(
        "a form without a recording",
        400,
        "invalid_argument",
        ("audio",),
        "is missing",
        body=form(('name="locale"', b"en")) + b"--x--\r\n",
        headers=FORM,
    ),
    Bad(
        "a form whose recording is a text",
        400,
        "invalid_argument",
        ("audio",),
        "file part",
        body=form(('name="audio"', b"R")) + b"--x--\r\n",
        headers=FORM,
    ),
    Bad(
        "a form with an unknown part",
        400,
        "invalid_argument",
        ("lang",),
        "is unknown",
        body=form(('name="audio"; filename="a"', b"R"), ('name="lang"', b"en")) + b"--x--\r\n",
        headers=FORM,
    ),
    Bad("a form that is none", 400, "invalid_argument", ("body",), "no readable form", body=b"hello", headers=FORM),
    Bad(
        "a form without a boundary",
        400,
        "invalid_argument",
        ("body",),
        "no readable form",
        body=b"hello",
        headers={"content-type": "multipart/form-data"},
    ),
    Bad(
        "a wait that is no number",
        400,
        "invalid_argument",
        ("wait",),
        "number",
        path="/v1/utterances?wait=long",
        body=b"{}",
        headers=JSON,
    ),
    Bad(
        "a negative wait",
        400,
        "invalid_argument",
        ("wait",),
        "greater than or equal to 0",
        path="/v1/utterances?wait=-1",
        body=b"{}",
        headers=JSON,
    ),
    Bad(
        "a wait without end",
        400,
        "invalid_argument",
        ("wait",),
        "120 s at most",
        path="/v1/utterances?wait=inf",
        body=b"{}",
        headers=JSON,
    ),
    Bad(
        "a token that is none",
        401,
        "unauthenticated",
        (),
        "cannot be read",
        body=b"{}",
        headers={**JSON, "authorization": "Bearer sesame.sesame.sesame"},
    ),
    Bad("a turn that is no id", 400, "invalid_argument", ("turn_id",), "is no UUID", "GET", "/v1/turns/latest"),
    Bad("a turn nobody opened", 404, "not_found", (), "names no turn of yours", "GET", NO_TURN),
    Bad("the progress of no turn", 404, "not_found", (), "names no turn", "GET", f"{NO_TURN}/events"),
    Bad(
        "a list without a conversation or a user",
        400,
        "invalid_argument",
        ("conversation",),
        "send a token",
        "GET",
        "/v1/turns",
    ),
    Bad(
        "a list of a conversation that is no id",
        400,
        "invalid_argument",
        ("conversation",),
        "",
        "GET",
        "/v1/turns?conversation=a%20b",
    ),
    Bad(
        "a list without end",
        400,
        "invalid_argument",
        ("limit",),
        "less than or equal to 500",
        "GET",
        "/v1/turns?conversation=a&limit=501",
    ),
    Bad("a path there is not", 404, "not_found", (), "see /docs", "GET", "/v2/turns"),
    Bad("a method there is not", 405, "method_not_allowed", (), "see /docs", "DELETE", "/v1/utterances"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for all: what it refuses leaves no trace."""
    with running_gateway(tmp_path_factory.mktemp("gateway"), max_body_bytes=LIMIT) as gateway:
        yield gateway


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_refused_with_the_field_and_the_remedy(gateway: Gateway, case: Bad) -> None:
    gateway.road.sent.clear()
    body = iter(case.body) if isinstance(case.body, list) else case.body

    with structlog.testing.capture_logs() as logged:
        answer = gateway.client().request(case.method, case.path, content=body, headers=case.headers)

    assert answer.status_code == case.status, answer.text
    error = answer.json()["error"]
    assert error["code"] == case.code
    assert tuple(each["field"] for each in error["fields"]) == case.fields, error
    assert case.told in error["message"]
    assert all(each["message"] for each in error["fields"])
    assert not gateway.road.sent
    assert not [entry for entry in logged if entry["log_level"] in ("error", "critical")]


def test_the_wrong_value_is_shown_but_never_what_was_said(gateway: Gateway) -> None:
    said = {"text": "open sesame " * 1000, "conversation_id": "no id", "locale": "en"}

    error = gateway.client().post("/v1/utterances", json=said).json()["error"]

    values = {each["field"]: each.get("value") for each in error["fields"]}
    assert values == {"text": None, "conversation_id": "no id"}
    assert "sesame" not in json.dumps(error)


@pytest.mark.parametrize("path", ["/v1/turns", NO_TURN, "/v1/utterances"])
def test_a_bad_token_is_refused_at_every_route_and_never_repeated(gateway: Gateway, path: str) -> None:
    token = development_token(gateway.data_dir, ttl=-60)
    method = "POST" if path.endswith("utterances") else "GET"

    with structlog.testing.capture_logs() as logged:
        answer = gateway.client().request(method, path, headers={"authorization": f"Bearer {token}"})

    assert answer.status_code == 401
    assert "has expired" in answer.json()["error"]["message"]
    for piece in token.split("."):
        assert piece not in answer.text + str(logged)


def test_a_gateway_that_is_still_starting_says_so() -> None:
    starting = Reception(Ledger(Codecs()), Opening(SEAL, keep_audio))

    with pytest.raises(Unavailable, match="still starting"):
        starting.accept(turn_pb2.Utterance(text="hello"), principal_pb2.Principal())
