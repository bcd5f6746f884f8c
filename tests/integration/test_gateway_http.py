"""The HTTP door: utterances in, turns and their progress out."""

from __future__ import annotations

import base64
import json
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
import structlog

from parley.v1 import asr_pb2, principal_pb2, stage_pb2, turn_pb2
from services.gateway.engine import INLINE_AUDIO_BYTES
from services.gateway.settings import JwtSettings
from shared.principals import SEAL_HEADER
from shared.topology import TRANSCRIPTS, UTTERANCES
from tests.gateway_parts import SEAL, Gateway, journey, running_gateway, turn_of, utterance_event

pytestmark = pytest.mark.integration

ADA = principal_pb2.Principal(user_id="ada", roles=["resident"])


@pytest.fixture
def gateway(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    """A gateway over either database."""
    with running_gateway(tmp_path, database_url) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the tests that do not mind each other."""
    with running_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


def test_typed_text_becomes_a_turn_on_the_road(gateway: Gateway) -> None:
    gateway.road.partition = 3
    traceparent = f"00-{'a' * 32}-{'b' * 16}-01"

    answer = gateway.client("ada", "resident").post(
        "/v1/utterances",
        json={"text": "turn on the light", "conversation_id": "kitchen", "locale": "en"},
        headers={"traceparent": traceparent},
    )

    assert answer.status_code == 202
    accepted = answer.json()
    assert accepted["conversation_id"] == "kitchen"
    assert answer.headers["location"] == f"/v1/turns/{accepted['turn_id']}"
    (sent,) = gateway.road.sent
    assert (sent.outgoing.topic, sent.outgoing.key, sent.cause_id) == (TRANSCRIPTS, "kitchen", accepted["turn_id"])
    assert sent.headers == {"traceparent": traceparent, "parley-reply-partition": "3"}
    turn = sent.outgoing.body
    assert isinstance(turn, turn_pb2.Turn)
    assert (turn.turn_id, turn.conversation_id) == (accepted["turn_id"], "kitchen")
    assert turn.transcript.text == "turn on the light"
    assert turn.transcript.outcome == asr_pb2.TRANSCRIPT_OUTCOME_TYPED
    assert turn.transcript.confidence == 1
    assert list(turn.route.next) == [stage_pb2.STAGE_NLU, stage_pb2.STAGE_DIALOGUE]
    assert turn.utterance.principal == ADA


@pytest.mark.parametrize("kind", ["raw", "form", "json"])
def test_a_recording_becomes_a_sealed_utterance(shared_gateway: Gateway, kind: str) -> None:
    beside = {"conversation_id": "kitchen", "locale": "en"}
    shared_gateway.road.sent.clear()
    requests: dict[str, dict[str, Any]] = {
        "raw": {"params": beside, "content": b"RIFF....", "headers": {"content-type": "audio/wav"}},
        "form": {"data": beside, "files": {"audio": ("clip.wav", b"RIFF....", "audio/wav")}},
        "json": {
            "json": {
                **beside,
                "audio": {"data": base64.b64encode(b"RIFF....").decode(), "content_type": "audio/wav"},
            }
        },
    }

    answer = shared_gateway.client("ada", "resident").post("/v1/utterances", **requests[kind])

    assert answer.status_code == 202, answer.text
    (sent,) = shared_gateway.road.sent
    assert (sent.outgoing.topic, sent.outgoing.key) == (UTTERANCES, "kitchen")
    utterance = sent.outgoing.body
    assert isinstance(utterance, turn_pb2.Utterance)
    assert (utterance.audio.data, utterance.audio.content_type, utterance.locale) == (b"RIFF....", "audio/wav", "en")
    assert SEAL.verify(utterance_event(utterance, **sent.headers)) == ADA


def test_an_anonymous_recording_carries_no_seal(shared_gateway: Gateway) -> None:
    shared_gateway.road.sent.clear()

    shared_gateway.client().post("/v1/utterances", content=b"RIFF", headers={"content-type": "audio/wav"})

    assert SEAL_HEADER not in shared_gateway.road.sent[0].headers


def test_a_large_recording_travels_as_a_claim_check(shared_gateway: Gateway) -> None:
    shared_gateway.road.sent.clear()
    client = shared_gateway.client()

    for size in (INLINE_AUDIO_BYTES, INLINE_AUDIO_BYTES + 1):
        client.post("/v1/utterances", content=b"x" * size, headers={"content-type": "audio/flac"})

    small, large = (sent.outgoing.body for sent in shared_gateway.road.sent)
    assert isinstance(small, turn_pb2.Utterance)
    assert isinstance(large, turn_pb2.Utterance)
    assert len(small.audio.data) == INLINE_AUDIO_BYTES
    assert large.audio.WhichOneof("source") == "claim_check"
    assert large.audio.claim_check.size_bytes == INLINE_AUDIO_BYTES + 1
    assert large.audio.content_type == "audio/flac"


def test_who_speaks_is_said_by_the_token_and_never_by_the_body(shared_gateway: Gateway) -> None:
    shared_gateway.road.sent.clear()
    claim = {"text": "unlock the door", "principal": {"user_id": "ada", "roles": ["resident"]}}

    shared_gateway.client().post("/v1/utterances", json=claim)
    shared_gateway.client("bob").post("/v1/utterances", json=claim)

    users = [sent.outgoing.body.utterance.principal.user_id for sent in shared_gateway.road.sent]  # type: ignore[attr-defined]
    assert users == ["", "bob"]


def test_the_same_turn_sent_again_is_one_turn(gateway: Gateway) -> None:
    client, turn_id = gateway.client("ada"), str(uuid.uuid4())

    first = client.post("/v1/utterances", json={"text": "hello", "turn_id": turn_id, "conversation_id": "hall"})
    again = client.post("/v1/utterances", json={"text": "hello", "turn_id": turn_id.upper()})

    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json() == again.json() == {"turn_id": turn_id, "conversation_id": "hall", "state": "open"}
    assert len(gateway.road.sent) == 1


def test_a_turn_id_of_somebody_else_is_taken(shared_gateway: Gateway) -> None:
    turn_id = str(uuid.uuid4())
    shared_gateway.client("ada").post("/v1/utterances", json={"text": "hello", "turn_id": turn_id})
    shared_gateway.road.sent.clear()

    answer = shared_gateway.client("bob").post("/v1/utterances", json={"text": "hello", "turn_id": turn_id})

    assert answer.status_code == 400
    assert answer.json()["error"]["fields"] == [
        {"field": "turn_id", "message": "is taken; leave it empty and one is made"}
    ]
    assert not shared_gateway.road.sent


def test_a_conversation_belongs_to_the_user_who_began_it(shared_gateway: Gateway) -> None:
    said = {"text": "hello", "conversation_id": f"hall-{uuid.uuid4()}"}
    turn_id = shared_gateway.client("ada").post("/v1/utterances", json=said).json()["turn_id"]
    shared_gateway.road.sent.clear()

    for user in ("bob", ""):
        stranger = shared_gateway.client(user)
        refused = stranger.post("/v1/utterances", json=said)
        assert refused.status_code == 400
        assert refused.json()["error"]["fields"][0]["field"] == "conversation_id"
        assert stranger.get(f"/v1/turns/{turn_id}").status_code == 404
        assert stranger.get(f"/v1/turns/{turn_id}/events").status_code == 404
        assert stranger.get("/v1/turns", params={"conversation": said["conversation_id"]}).json() == {"turns": []}

    assert not shared_gateway.road.sent
    assert shared_gateway.client("ada").get(f"/v1/turns/{turn_id}").status_code == 200
    assert shared_gateway.client("op", "operator").get(f"/v1/turns/{turn_id}").status_code == 200


def test_nothing_is_accepted_that_is_not_in_the_ledger(gateway: Gateway) -> None:
    with gateway.database.transaction() as session:
        session.execute(sqlalchemy.text("DROP TABLE gateway_event"))

    with structlog.testing.capture_logs() as logged:
        answer = gateway.client().post("/v1/utterances", json={"text": "open sesame"})

    assert answer.status_code >= 500
    assert not gateway.road.sent
    told = "".join(f"{entry}{_traceback(entry.get('exc_info'))}" for entry in logged)
    assert "sesame" not in told + answer.text  # nor are words shown around when something breaks


def test_a_client_that_waits_gets_the_finished_turn(gateway: Gateway) -> None:
    said = {"text": "turn on the light", "turn_id": str(uuid.uuid4()), "conversation_id": "kitchen"}
    _later(lambda: gateway.travel(said["turn_id"], "kitchen", reply="It is on."), after=lambda: bool(gateway.road.sent))

    answer = gateway.client().post("/v1/utterances", params={"wait": 20}, json=said)

    assert answer.status_code == 200
    turn = answer.json()
    assert (turn["turn_id"], turn["state"], turn["reply"]["text"]) == (said["turn_id"], "answered", "It is on.")
    assert turn["understanding"]["intent"] == "turn_on"


def test_a_client_that_waits_in_vain_gets_the_id_to_ask_with(shared_gateway: Gateway) -> None:
    answer = shared_gateway.client().post("/v1/utterances", params={"wait": 0.1}, json={"text": "hello"})

    assert answer.status_code == 202
    turn = shared_gateway.client().get(f"/v1/turns/{answer.json()['turn_id']}").json()
    assert (turn["state"], turn["transcript"]["text"], turn["reply"]) == ("open", "hello", None)


def test_an_answer_another_replica_recorded_is_found_too(tmp_path: Path, database_url: str) -> None:
    with running_gateway(tmp_path, database_url) as asked, running_gateway(tmp_path, database_url) as consuming:
        said = {"text": "hello", "turn_id": str(uuid.uuid4()), "conversation_id": "hall"}
        _later(lambda: consuming.travel(said["turn_id"], "hall"), after=lambda: bool(asked.road.sent))

        answer = asked.client().post("/v1/utterances", params={"wait": 20}, json=said)

        assert answer.status_code == 200
        assert answer.json()["reply"]["text"] == "It is on."


def test_progress_is_streamed_until_the_final_reply(gateway: Gateway) -> None:
    turn_id = gateway.client().post("/v1/utterances", json={"text": "hello"}).json()["turn_id"]
    events = journey(turn_id, turn_id)
    heard: list[dict[str, Any]] = []

    with gateway.client().stream("GET", f"/v1/turns/{turn_id}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        waiting = iter(events[1:])
        for event in _server_sent(stream):
            heard.append(event)
            gateway.deliver([each for each in [next(waiting, None)] if each is not None])

    assert [event["event"] for event in heard] == ["stage", "stage", "stage", "final"]
    data = [json.loads(event["data"]) for event in heard]
    assert [each["event"]["stage"] for each in data] == ["gateway", "nlu", "dialogue", "generation"]
    assert data[1]["understanding"]["intent"] == "turn_on"
    assert data[1]["reply"] is None
    assert (data[3]["final"], data[3]["reply"]["text"]) == (True, "It is on.")


def test_a_cut_stream_is_taken_up_where_it_broke(shared_gateway: Gateway) -> None:
    events = journey()
    turn_id = turn_of(events[0]).turn_id
    shared_gateway.deliver(events)
    url, client = f"/v1/turns/{turn_id}/events", shared_gateway.client()
    with client.stream("GET", url) as stream:
        whole = list(_server_sent(stream))

    with client.stream("GET", url, headers={"last-event-id": whole[1]["id"]}) as stream:
        rest = list(_server_sent(stream))
    ended = client.get(url, headers={"last-event-id": whole[-1]["id"]})

    assert rest == whole[2:]
    assert ended.status_code == 204  # tells an EventSource to come no more


def test_a_stream_ends_when_the_gateway_stops(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway:
        turn_id = gateway.client().post("/v1/utterances", json={"text": "hello"}).json()["turn_id"]
        with gateway.client().stream("GET", f"/v1/turns/{turn_id}/events") as stream:
            heard = _server_sent(stream)
            next(heard)
            gateway.http.stop()

            assert list(heard) == []


def test_turns_are_listed(shared_gateway: Gateway) -> None:
    here = f"hall-{uuid.uuid4()}"
    client = shared_gateway.client("carol")
    ids = [
        client.post("/v1/utterances", json={"text": f"hello {number}", "conversation_id": here}).json()["turn_id"]
        for number in range(3)
    ]

    of_conversation = client.get("/v1/turns", params={"conversation": here, "limit": 2}).json()["turns"]
    of_user = client.get("/v1/turns").json()["turns"]

    assert [turn["turn_id"] for turn in of_conversation] == ids[:0:-1]
    assert [turn["turn_id"] for turn in of_user] == ids[::-1]
    assert of_conversation[0]["text"] == "hello 2"


def test_without_anonymous_access_a_token_is_needed(tmp_path: Path) -> None:
    with running_gateway(tmp_path, jwt=JwtSettings(anonymous_allowed=False)) as gateway:
        refused = gateway.client().post("/v1/utterances", json={"text": "hello"})
        taken = gateway.client("ada").post("/v1/utterances", json={"text": "hello"})

        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert refused.json()["error"]["code"] == "unauthenticated"
        assert taken.status_code == 202


@pytest.mark.parametrize("path", ["/", "/docs", "/console/console.js", "/console/console.css", "/console/icon.svg"])
def test_the_pages_are_served_and_need_nothing_from_elsewhere(shared_gateway: Gateway, path: str) -> None:
    page = shared_gateway.client().get(path)

    assert page.status_code == 200
    assert "//cdn" not in page.text
    assert 'src="http' not in page.text
    assert 'href="http' not in page.text


def test_the_api_is_described(shared_gateway: Gateway) -> None:
    described = shared_gateway.client().get("/openapi.json").json()

    assert set(described["paths"]) == {
        "/v1/utterances",
        "/v1/turns",
        "/v1/turns/{turn_id}",
        "/v1/turns/{turn_id}/events",
        "/v1/labels",
        "/healthz",
    }
    body = described["paths"]["/v1/utterances"]["post"]["requestBody"]["content"]
    assert set(body) == {"application/json", "audio/*", "multipart/form-data"}
    contract = set(turn_pb2.Utterance.DESCRIPTOR.fields_by_name)
    assert set(body["application/json"]["schema"]["properties"]) <= contract
    shown = set(described["components"]["schemas"]["TurnDocument"]["properties"])
    events = journey()
    shared_gateway.deliver(events)
    assert shown == set(shared_gateway.client().get(f"/v1/turns/{turn_of(events[0]).turn_id}").json())


def test_health_is_the_ledgers(shared_gateway: Gateway) -> None:
    assert shared_gateway.client().get("/healthz").json() == {"status": "ok"}


def _later(act: Callable[[], object], *, after: Callable[[], bool]) -> None:
    """Run `act` in the background once `after` holds."""

    def run() -> None:
        while not after():
            time.sleep(0.01)
        act()

    threading.Thread(target=run, daemon=True).start()


def _traceback(error: object) -> str:
    return "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""


def _server_sent(stream: httpx.Response) -> Iterator[dict[str, str]]:
    fields: dict[str, str] = {}
    for line in stream.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield {name: fields[name] for name in ("id", "event", "data")}
            fields = {}
        else:
            fields = {}
