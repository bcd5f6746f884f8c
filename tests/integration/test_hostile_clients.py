"""Hostile clients at every door of a gateway and on the real broker: refused clearly, and the next is served."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka import KafkaProducer

from parley.v1 import gateway_pb2, generation_pb2, turn_pb2
from shared.bus.envelope import Fetched
from shared.topology import DEAD_LETTERS, ROAD
from tests.broker import TestBroker, own_broker
from tests.gateway_parts import Gateway, running_gateway
from tests.hostile import BODIES, CONTENT_TYPES, HEADERS, KEYS, SECRET_WORDS, fuzzed
from tests.integration.runtime_doubles import RoadDouble, a_turn, header, hosting, turn_of

pytestmark = pytest.mark.integration
_REFUSALS = {400, 401, 404, 405, 409, 413, 415, 422}
_METHODS = ("Publish", "GetTurn", "Converse")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"), turns_per_minute=0, anonymous_turns_per_minute=0, max_backlog=10**6
    ) as gateway:
        yield gateway


_LATIN = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=60)


@fuzzed(150)
@given(
    body=BODIES,
    content_type=st.one_of(CONTENT_TYPES, st.just("audio/wav"), st.just("multipart/form-data; boundary=x")),
    query=st.dictionaries(st.sampled_from(["wait", "conversation_id", "locale", "turn_id", "x"]), _LATIN, max_size=3),
    token=st.one_of(st.just(""), _LATIN),
)
def test_whatever_is_posted_is_accepted_or_refused_in_the_one_shape(
    gateway: Gateway, body: bytes, content_type: str, query: dict[str, str], token: str
) -> None:
    headers = {"content-type": content_type.replace("\x00", "")}
    if token.strip():
        headers["authorization"] = token
    query.pop("wait", None) if query.get("wait", "").isdigit() else None  # a wait that is good is waited for
    with gateway.client() as client:
        try:
            answer = client.post("/v1/utterances", content=body, headers=headers, params=query)
        except httpx.LocalProtocolError:
            return  # httpx itself sends no such header
        good = client.post("/v1/utterances", json={"text": "hello"})

    if answer.status_code != 202:
        assert answer.status_code in _REFUSALS, answer.text
        error = answer.json()["error"]
        assert error["code"]
        assert error["message"]
        assert SECRET_WORDS not in answer.text
    assert good.status_code == 202


@fuzzed(60)
@given(path=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#?"), max_size=40))
def test_whatever_is_asked_for_is_there_or_not(gateway: Gateway, path: str) -> None:
    with gateway.client() as client:
        answers = [client.get(f"/v1/turns/{path}"), client.get(f"/{path}"), client.delete(f"/v1/{path}")]

    assert all(answer.status_code < 500 for answer in answers), [answer.status_code for answer in answers]


@fuzzed(120)
@given(method=st.sampled_from(_METHODS), body=BODIES, token=_LATIN)
def test_whatever_is_called_is_served_or_refused_by_its_code(
    gateway: Gateway, method: str, body: bytes, token: str
) -> None:
    path = f"/parley.v1.GatewayService/{method}"
    good = gateway_pb2.PublishRequest(utterance=turn_pb2.Utterance(text="hello"))
    metadata = (("authorization", token),) if token.strip() else ()
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        try:
            if method == "Converse":
                call: Any = channel.stream_stream(path, None, None)(iter([body]), timeout=5, metadata=metadata)
                next(call)
                call.cancel()
            else:
                channel.unary_unary(path, None, None)(body, timeout=5, metadata=metadata)
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)
            assert error.code() in {
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.UNAUTHENTICATED,
            }, (error.code(), error.details())
            assert SECRET_WORDS not in (error.details() or "")
        answer = channel.unary_unary("/parley.v1.GatewayService/Publish", None, None)(
            good.SerializeToString(), timeout=20
        )

    assert gateway_pb2.PublishResponse.FromString(answer).turn_id


def test_a_conversation_of_somebody_else_is_closed_at_both_doors(gateway: Gateway) -> None:
    conversation = str(uuid.uuid4())
    body = {"text": SECRET_WORDS, "conversation_id": conversation}
    turn_id = gateway.client("ada").post("/v1/utterances", json=body).json()["turn_id"]
    gateway.travel(turn_id, conversation)

    stranger = gateway.client("eve")
    spoken = stranger.post("/v1/utterances", json={"text": "hi", "conversation_id": conversation})
    read = stranger.get(f"/v1/turns/{turn_id}")

    assert (spoken.status_code, read.status_code) == (400, 404)
    assert SECRET_WORDS not in spoken.text + read.text


class TestOnTheBroker:
    @pytest.fixture(scope="class")
    def broker(self) -> Iterator[TestBroker]:
        with own_broker() as broker:
            broker.prepare()
            yield broker

    @pytest.fixture(scope="class")
    def road(self, broker: TestBroker) -> Iterator[RoadDouble]:
        road = RoadDouble()
        with hosting(broker, *road.services()):
            yield road

    @fuzzed(4, shrunk=False)
    @given(
        records=st.lists(
            st.tuples(st.sampled_from(ROAD[1:7]), st.one_of(st.none(), BODIES), CONTENT_TYPES, HEADERS, KEYS),
            min_size=10,
            max_size=40,
        )
    )
    def test_each_record_is_handled_or_a_dead_letter_and_the_next_turn_goes_all_the_way(
        self,
        broker: TestBroker,
        road: RoadDouble,
        capfd: pytest.CaptureFixture[str],
        records: list[tuple[str, bytes | None, str, list[tuple[str, bytes]], bytes | None]],
    ) -> None:
        producer = KafkaProducer(bootstrap_servers=list(broker.profile.bootstrap_servers), enable_idempotence=False)
        places = []
        for topic, body, content_type, headers, key in records:
            sent = producer.send(
                topic, value=body, key=key or b"", headers=[("content-type", content_type.encode()), *headers]
            ).get(timeout=30)
            places.append((topic, sent.partition, sent.offset))
        producer.close()

        turn_ids = []
        for number in range(16):  # enough for every partition
            turn_id, wire = a_turn(conversation=f"after-{number}")
            turn_ids.append(turn_id)
            with broker.producer() as good:
                good.send([wire])
        answered = road.gateway.came.wait(
            until=lambda events: set(turn_ids) <= {turn_of(event).turn_id for event in events}
        )

        assert answered
        letters = {place_of(letter) for letter in broker.everything(DEAD_LETTERS)}
        unreadable = [place for place, record in zip(places, records, strict=True) if record[1] is None]
        read_by_nobody = {"parley.evidence"}  # on this road of doubles
        assert {place for place in unreadable if place[0] not in read_by_nobody} <= letters
        assert SECRET_WORDS not in capfd.readouterr().out


def place_of(letter: Fetched) -> tuple[str, int, int]:
    """Where the record stood whose letter this is."""
    return (
        header(letter, "parley-dead-topic"),
        int(header(letter, "parley-dead-partition")),
        int(header(letter, "parley-dead-offset")),
    )


def test_words_that_look_like_code_are_words(gateway: Gateway, tmp_path: Path) -> None:
    """SQL, templates and markup go into the ledger and out again as they are."""
    strange = "'; DROP TABLE gateway_turn; -- {{7*7}} <script>alert(1)</script> ${jndi:ldap://x} \u202e\ufeff😀"
    client = gateway.client("ada")
    turn_id = client.post("/v1/utterances", json={"text": strange}).json()["turn_id"]
    events = gateway.travel(turn_id, turn_id, said=strange, reply=strange)

    shown = client.get(f"/v1/turns/{turn_id}").json()

    assert shown["reply"]["text"] == strange
    assert json.dumps(strange)
    assert turn_of(events[-1]).reply.kind == generation_pb2.REPLY_KIND_FINAL
