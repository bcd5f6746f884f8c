"""The gRPC door: publish, look up, and converse with several turns at once."""

from __future__ import annotations

import queue
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from parley.v1 import asr_pb2, gateway_pb2, gateway_pb2_grpc, generation_pb2, stage_pb2, turn_pb2
from shared.principals import SEAL_HEADER, development_token
from shared.topology import UTTERANCES
from tests.gateway_parts import Gateway, journey, running_gateway, said_again

pytestmark = pytest.mark.integration

STAGES = [stage_pb2.STAGE_GATEWAY, stage_pb2.STAGE_NLU, stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION]


@pytest.fixture
def gateway(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    """A gateway over either database."""
    with running_gateway(tmp_path, database_url) as gateway:
        yield gateway


@pytest.fixture
def api(gateway: Gateway) -> Iterator[gateway_pb2_grpc.GatewayServiceStub]:
    """Its API."""
    with grpc.insecure_channel(gateway.grpc_target) as channel:
        yield gateway_pb2_grpc.GatewayServiceStub(channel)


def as_user(gateway: Gateway, user: str, *roles: str) -> tuple[tuple[str, str], ...]:
    """Metadata of a call by `user`."""
    return tuple(gateway.authorization(user, *roles).items())


def said(text: str, **fields: str) -> turn_pb2.Utterance:
    """A typed utterance."""
    return turn_pb2.Utterance(text=text, **fields)  # type: ignore[arg-type] # texts, all of them


def told(refused: pytest.ExceptionInfo[grpc.RpcError]) -> str:
    """The text of a failed call."""
    return refused.value.details() or ""


class Client:
    """The sending side of a Converse stream, and what came back."""

    def __init__(self, api: gateway_pb2_grpc.GatewayServiceStub, metadata: tuple[tuple[str, str], ...] = ()) -> None:
        self._outgoing: queue.Queue[gateway_pb2.ConverseRequest | None] = queue.Queue()
        self.call: Any = api.Converse(iter(self._outgoing.get, None), timeout=30, metadata=metadata)

    def say(self, utterance: turn_pb2.Utterance) -> None:
        """Send one utterance."""
        self._outgoing.put(gateway_pb2.ConverseRequest(utterance=utterance))

    def half_close(self) -> None:
        """Say nothing more."""
        self._outgoing.put(None)

    def hear(self) -> gateway_pb2.ConverseResponse:
        """The next response."""
        response: gateway_pb2.ConverseResponse = next(self.call)
        return response

    def rest(self) -> list[gateway_pb2.ConverseResponse]:
        """Everything until the stream ends."""
        return list(self.call)


def test_what_is_published_can_be_looked_up(gateway: Gateway, api: gateway_pb2_grpc.GatewayServiceStub) -> None:
    mine = as_user(gateway, "ada", "resident")

    accepted = api.Publish(gateway_pb2.PublishRequest(utterance=said("hello", conversation_id="hall")), metadata=mine)
    before = api.GetTurn(gateway_pb2.GetTurnRequest(turn_id=accepted.turn_id), metadata=mine)
    *_, final = journey(accepted.turn_id, "hall", reply="Good day.")
    gateway.deliver([final, said_again(final, generation_pb2.REPLY_KIND_NOTIFICATION, "It is noon.")])
    after = api.GetTurn(gateway_pb2.GetTurnRequest(turn_id=accepted.turn_id), metadata=mine)

    assert accepted.conversation_id == "hall"
    assert (before.turn.transcript.text, list(before.replies)) == ("hello", [])
    assert after.turn.reply.text == "Good day."
    assert [turn.reply.text for turn in after.replies] == ["Good day.", "It is noon."]


def test_a_spoken_utterance_is_sealed_for_its_user(gateway: Gateway, api: gateway_pb2_grpc.GatewayServiceStub) -> None:
    spoken = turn_pb2.Utterance(audio=asr_pb2.Audio(data=b"RIFF....", content_type="audio/wav"))

    accepted = api.Publish(gateway_pb2.PublishRequest(utterance=spoken), metadata=as_user(gateway, "ada"))
    looked_up = api.GetTurn(gateway_pb2.GetTurnRequest(turn_id=accepted.turn_id), metadata=as_user(gateway, "ada"))

    (sent,) = gateway.road.sent
    assert sent.outgoing.topic == UTTERANCES
    assert SEAL_HEADER in sent.headers
    assert looked_up.turn.route.next[0] == stage_pb2.STAGE_ASR


def test_a_conversation_streams_every_stage_of_its_turn(
    gateway: Gateway, api: gateway_pb2_grpc.GatewayServiceStub
) -> None:
    client = Client(api, as_user(gateway, "ada"))
    client.say(said("turn on the light", conversation_id="kitchen"))
    opened = client.hear()
    gateway.travel(opened.turn.turn_id, "kitchen", reply="It is on.")
    client.half_close()

    responses = [opened, *client.rest()]

    assert [response.stage for response in responses] == STAGES
    assert responses[1].turn.understanding.intent == "turn_on"
    assert responses[-1].turn.reply.text == "It is on."


def test_several_turns_share_a_stream_and_it_ends_when_all_are_answered(
    gateway: Gateway, api: gateway_pb2_grpc.GatewayServiceStub
) -> None:
    client = Client(api)
    opened = []
    for number in range(3):
        client.say(said(f"hello {number}"))
        opened.append(client.hear().turn)
    client.half_close()
    for turn in reversed(opened):
        gateway.travel(turn.turn_id, turn.conversation_id, reply=f"Answer to {turn.transcript.text}.")

    replies = {
        response.turn.turn_id: response.turn.reply.text
        for response in client.rest()
        if response.stage == stage_pb2.STAGE_GENERATION
    }

    assert replies == {turn.turn_id: f"Answer to {turn.transcript.text}." for turn in opened}


def test_a_client_that_says_nothing_hears_nothing(api: gateway_pb2_grpc.GatewayServiceStub) -> None:
    client = Client(api)
    client.half_close()

    assert client.rest() == []


def test_a_turn_sent_again_is_told_from_its_beginning(
    gateway: Gateway, api: gateway_pb2_grpc.GatewayServiceStub
) -> None:
    """A client whose stream broke resumes by turn id: it sends the utterance again."""
    turn_id = str(uuid.uuid4())
    api.Publish(gateway_pb2.PublishRequest(utterance=said("hello", turn_id=turn_id)))
    gateway.travel(turn_id, turn_id)

    client = Client(api)
    client.say(said("hello", turn_id=turn_id))
    client.half_close()

    assert [response.stage for response in client.rest()] == STAGES
    assert len(gateway.road.sent) == 1


def test_no_more_turns_are_taken_than_may_be_open(tmp_path: Path) -> None:
    with running_gateway(tmp_path, max_open_turns=2) as gateway, grpc.insecure_channel(gateway.grpc_target) as channel:
        client = Client(gateway_pb2_grpc.GatewayServiceStub(channel))
        for number in range(3):
            client.say(said(f"hello {number}"))
        client.half_close()
        opened = [client.hear().turn for _ in range(2)]
        taken_before = len(gateway.road.sent)
        gateway.travel(opened[0].turn_id, opened[0].conversation_id)
        third = next(turn for turn in (client.hear().turn for _ in range(4)) if turn.transcript.text == "hello 2")
        for turn in (opened[1], third):
            gateway.travel(turn.turn_id, turn.conversation_id)

        assert client.rest()
        assert taken_before == 2
        assert len(gateway.road.sent) == 3


def test_no_more_streams_are_opened_than_there_are_threads_for(tmp_path: Path) -> None:
    with running_gateway(tmp_path, max_streams=1) as gateway, grpc.insecure_channel(gateway.grpc_target) as channel:
        api = gateway_pb2_grpc.GatewayServiceStub(channel)
        first = Client(api)
        first.say(said("hello"))
        first.hear()

        second = Client(api)
        with pytest.raises(grpc.RpcError) as refused:
            second.rest()
        first.call.cancel()

        assert refused.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "max_streams" in told(refused)
        _until(lambda: _answers(Client(api)))  # a cancelled stream gives its place back


def test_a_turn_that_is_never_answered_does_not_hold_its_stream_for_ever(tmp_path: Path) -> None:
    with running_gateway(tmp_path, follow_s=0.3) as gateway, grpc.insecure_channel(gateway.grpc_target) as channel:
        client = Client(gateway_pb2_grpc.GatewayServiceStub(channel))
        client.say(said("hello"))
        turn_id = client.hear().turn.turn_id

        with pytest.raises(grpc.RpcError) as ended:
            client.rest()

        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE
        assert turn_id in told(ended)


@pytest.mark.parametrize(
    ("utterance", "fields"),
    [
        (said("hello", conversation_id="a b", locale="English!"), ("conversation_id", "locale")),
        (turn_pb2.Utterance(), ("content",)),
    ],
)
@pytest.mark.parametrize("method", ["Publish", "Converse"])
def test_a_bad_utterance_is_refused_with_every_field(
    gateway: Gateway,
    api: gateway_pb2_grpc.GatewayServiceStub,
    method: str,
    utterance: turn_pb2.Utterance,
    fields: tuple[str, ...],
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        if method == "Publish":
            api.Publish(gateway_pb2.PublishRequest(utterance=utterance))
        else:
            client = Client(api)
            client.say(utterance)
            client.rest()

    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert all(field in told(refused) for field in fields)
    assert not gateway.road.sent


@pytest.mark.parametrize("method", ["Publish", "GetTurn", "Converse"])
def test_a_bad_token_is_refused_and_not_repeated(
    gateway: Gateway, api: gateway_pb2_grpc.GatewayServiceStub, method: str
) -> None:
    token = development_token(gateway.data_dir, ttl=-60)
    metadata = (("authorization", f"Bearer {token}"),)

    with pytest.raises(grpc.RpcError) as refused:
        if method == "Publish":
            api.Publish(gateway_pb2.PublishRequest(utterance=said("hello")), metadata=metadata)
        elif method == "GetTurn":
            api.GetTurn(gateway_pb2.GetTurnRequest(turn_id=str(uuid.uuid4())), metadata=metadata)
        else:
            Client(api, metadata).rest()

    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
    assert "has expired" in told(refused)
    assert token not in told(refused)


def test_somebody_elses_turn_is_not_found(gateway: Gateway, api: gateway_pb2_grpc.GatewayServiceStub) -> None:
    accepted = api.Publish(gateway_pb2.PublishRequest(utterance=said("hello")), metadata=as_user(gateway, "ada"))

    for metadata in (as_user(gateway, "bob"), ()):
        with pytest.raises(grpc.RpcError) as refused:
            api.GetTurn(gateway_pb2.GetTurnRequest(turn_id=accepted.turn_id), metadata=metadata)
        assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_streams_end_when_the_gateway_stops(tmp_path: Path) -> None:
    with running_gateway(tmp_path) as gateway, grpc.insecure_channel(gateway.grpc_target) as channel:
        client = Client(gateway_pb2_grpc.GatewayServiceStub(channel))
        client.say(said("hello"))
        client.hear()
        gateway.http.stop()  # the host stops a service's background work first

        with pytest.raises(grpc.RpcError) as ended:
            client.rest()

        assert ended.value.code() == grpc.StatusCode.UNAVAILABLE


def _answers(client: Client) -> bool:
    client.half_close()
    try:
        client.rest()
    except grpc.RpcError:
        return False
    return True


def _until(holds: object, seconds: float = 10.0) -> None:
    deadline = threading.Event()
    timer = threading.Timer(seconds, deadline.set)
    timer.start()
    assert callable(holds)
    while not holds():
        assert not deadline.wait(0.05), "it never came true"
    timer.cancel()
