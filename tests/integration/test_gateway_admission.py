"""The gateway lets in what the road can carry: rates for each user, a bound on open turns, bytes and waiters."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf import duration_pb2
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from parley.v1 import gateway_pb2, gateway_pb2_grpc, principal_pb2, turn_pb2
from services.gateway.admission import Admission
from services.gateway.settings import GatewaySettings
from shared.errors import Overloaded
from tests.gateway_parts import Gateway, running_gateway

pytestmark = pytest.mark.integration
ADA = principal_pb2.Principal(user_id="ada")
Running = Callable[..., AbstractContextManager[Gateway]]


@pytest.fixture
def running(tmp_path: Path, database_url: str) -> Running:
    """A gateway over either database, with the settings a test gives it."""

    def run(**settings: Any) -> AbstractContextManager[Gateway]:
        return running_gateway(tmp_path, database_url, **settings)

    return run


def say(client: httpx.Client, **params: float) -> httpx.Response:
    return client.post("/v1/utterances", params=params, json={"text": "hello"})


def accepted(gateway: Gateway) -> int:
    return len(gateway.road.sent)


def test_a_user_who_asks_too_much_is_told_when_to_come_again_and_others_are_served(running: Running) -> None:
    with running(turns_per_minute=3, anonymous_turns_per_minute=2) as gateway:
        ada, ben, nobody = gateway.client("ada"), gateway.client("ben"), gateway.client()
        answers = [say(ada).status_code for _ in range(5)]
        refused = say(ada)

        assert answers == [202, 202, 202, 429, 429]
        assert refused.json()["error"]["code"] == "overloaded"
        assert "gateway.turns_per_minute" in refused.json()["error"]["message"]
        assert 1 <= int(refused.headers["retry-after"]) <= 60
        assert say(ben).status_code == 202
        assert [say(nobody).status_code for _ in range(3)] == [202, 202, 429]
        assert accepted(gateway) == 6, "what was refused is nowhere"


def test_over_grpc_it_is_resource_exhausted(running: Running) -> None:
    with running(turns_per_minute=1) as gateway, grpc.insecure_channel(gateway.grpc_target) as channel:
        stub = gateway_pb2_grpc.GatewayServiceStub(channel)
        metadata = tuple(gateway.authorization("ada").items())
        request = gateway_pb2.PublishRequest(utterance=turn_pb2.Utterance(text="hello"))
        stub.Publish(request, metadata=metadata)

        with pytest.raises(grpc.RpcError) as refused:
            stub.Publish(request, metadata=metadata)
        streamed = stub.Converse(iter([gateway_pb2.ConverseRequest(utterance=request.utterance)]), metadata=metadata)
        with pytest.raises(grpc.RpcError) as refused_stream:
            list(streamed)

    assert refused.value.code() == refused_stream.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert retry_delay(refused.value) >= 1


def test_beyond_the_backlog_nobody_is_let_in_until_turns_are_answered(running: Running) -> None:
    with running(max_backlog=3) as gateway:
        client = gateway.client("ada")
        turns = [say(client).json()["turn_id"] for _ in range(3)]
        refused = say(client)
        gateway.travel(turns[0], turns[0])
        time.sleep(0.3)  # a count is good for a quarter of a second

        assert refused.status_code == 429
        assert "gateway.max_backlog: 3 turns" in refused.json()["error"]["message"]
        assert say(client).status_code == 202
        assert say(client).status_code == 429


def test_a_flood_between_two_counts_is_bounded_too() -> None:
    counted = iter([0, 7])
    moment = [0.0]
    settings = GatewaySettings(max_backlog=10, turns_per_minute=0)
    admission = Admission(settings, lambda: next(counted), lambda: moment[0])

    let_in = 0
    with pytest.raises(Overloaded):
        while True:
            admission.admit(ADA, "")
            let_in += 1
    assert let_in == 10
    moment[0] = 1.0  # counted anew: three of them have been answered
    for _ in range(3):
        admission.admit(ADA, "")
    with pytest.raises(Overloaded):
        admission.admit(ADA, "")


def test_no_more_than_so_many_requests_wait_for_turns(running: Running) -> None:
    with running(max_waiting=1) as gateway:
        client = gateway.client("ada")
        answer: list[httpx.Response] = []
        waiting = threading.Thread(target=lambda: answer.append(say(client, wait=20)))
        waiting.start()
        while not accepted(gateway):
            time.sleep(0.01)
        refused = say(client, wait=20)
        unhurried = say(client)
        turn_id = gateway.road.sent[0].outgoing.key
        gateway.travel(turn_id, turn_id)
        waiting.join(20)

        assert (refused.status_code, unhurried.status_code, answer[0].status_code) == (429, 202, 200)
        assert "gateway.max_waiting" in refused.json()["error"]["message"]


def test_bodies_that_are_received_at_once_are_bounded_together(running: Running) -> None:
    with running(max_bytes_in_flight=300_000) as gateway:
        client = gateway.client("ada")
        going_on, sent = threading.Event(), threading.Event()

        def slowly() -> Iterator[bytes]:
            yield b"RIFF" + b"x" * 200_000
            sent.set()
            assert going_on.wait(20)
            yield b"x"

        audio = {"content-type": "audio/wav"}
        answer: list[httpx.Response] = []
        slow = threading.Thread(
            target=lambda: answer.append(client.post("/v1/utterances", content=slowly(), headers=audio))
        )
        slow.start()
        assert sent.wait(20)
        time.sleep(0.2)  # until the server has read what the client has sent
        refused = client.post("/v1/utterances", content=b"y" * 150_000, headers=audio)
        small = say(client)
        going_on.set()
        slow.join(20)
        afterwards = client.post("/v1/utterances", content=b"y" * 150_000, headers=audio)

    assert (refused.status_code, small.status_code) == (429, 202)
    assert "gateway.max_bytes_in_flight" in refused.json()["error"]["message"]
    assert (answer[0].status_code, afterwards.status_code) == (202, 202)


def test_a_rate_of_nothing_is_no_limit(running: Running) -> None:
    with running(turns_per_minute=0) as gateway:
        client = gateway.client(f"user-{uuid.uuid4()}")
        assert {say(client).status_code for _ in range(20)} == {202}


def retry_delay(error: Any) -> float:
    """Seconds after which the answer asks to try again."""
    status = rpc_status.from_call(error)
    assert status is not None
    for detail in status.details:
        info = error_details_pb2.RetryInfo()
        if detail.Unpack(info):
            delay: duration_pb2.Duration = info.retry_delay
            return delay.ToTimedelta().total_seconds()
    return 0.0
