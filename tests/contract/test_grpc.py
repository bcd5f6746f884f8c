"""Each service's gRPC API, called by a client that knows it from reflection alone."""

from __future__ import annotations

import base64
import io
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import grpc
import numpy as np
import pytest
import soundfile
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cli.hosting import SERVICES, build, prepare
from shared.runtime.host import Host
from shared.settings import ServerSettings, StorageSettings
from tests.broker import TestBroker
from tests.contract.reflection import JsonObject, call, methods, services, stream, violated_fields

pytestmark = pytest.mark.contract

_LEARNED = {"asr", "nlu", "knowledge"}  # their models are made once a machine, in the common data folder
_OWN_APIS = ["grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]


def _silence() -> str:
    sound = io.BytesIO()
    soundfile.write(sound, np.zeros(16_000, np.float32), 16_000, format="WAV")
    return base64.b64encode(sound.getvalue()).decode()


@dataclass(frozen=True)
class Example:
    """What an API is asked, what its answer must show, and a request that breaks the contract in several fields."""

    api: str
    method: str
    request: JsonObject
    shows: Callable[[JsonObject], object]
    bad: JsonObject
    violated: set[str]
    others: list[str] = field(default_factory=list)  # further methods


RESIDENT = {"user_id": "ada", "roles": ["resident"]}
KITCHEN_LIGHT_ON = {
    "intent": "turn_on",
    "domain": "smart_home",
    "confidence": 0.99,
    "slots": [
        {"name": "device", "value": "light", "text": "light", "confidence": 0.99},
        {"name": "area", "value": "kitchen", "text": "kitchen", "confidence": 0.99},
    ],
}
EXAMPLES = {
    "asr": Example(
        "parley.v1.AsrService",
        "Transcribe",
        {"audio": {"data": _silence()}, "locale": "en"},
        lambda answer: answer["transcript"]["outcome"] == "TRANSCRIPT_OUTCOME_SILENCE",
        {"locale": "english please"},
        {"audio", "locale"},
    ),
    "nlu": Example(
        "parley.v1.NluService",
        "Understand",
        {"text": "turn on the kitchen light", "locale": "en"},
        lambda answer: answer["understanding"]["intent"] == "turn_on",
        {"text": "", "locale": "!"},
        {"text", "locale"},
    ),
    "dialogue": Example(
        "parley.v1.DialogueService",
        "Decide",
        {
            "conversation_id": "asked-directly",
            "turn_id": str(uuid.uuid4()),
            "principal": RESIDENT,
            "transcript": {"text": "turn on the kitchen light", "outcome": "TRANSCRIPT_OUTCOME_TYPED", "confidence": 1},
            "understanding": {"language": "en", **KITCHEN_LIGHT_ON},
        },
        lambda answer: answer["decision"]["tasks"][0]["arguments"]["area"] == "kitchen",
        {"conversation_id": "no spaces", "turn_id": "7"},
        {"conversation_id", "turn_id"},
    ),
    "knowledge": Example(
        "parley.v1.KnowledgeService",
        "Retrieve",
        {"query": {"text": "How do I return an item?", "language": "en"}},
        lambda answer: answer["evidence"]["found"] and answer["evidence"]["passages"][0]["source"],
        {"query": {"text": "", "limit": 51}},
        {"query.text", "query.limit"},
    ),
    "dispatch": Example(
        "parley.v1.DispatchService",
        "Execute",
        {
            "task": {
                "task_id": str(uuid.uuid4()),
                "action": "home.turn_on",
                "arguments": {"device": "light", "area": "kitchen"},
            },
            "principal": RESIDENT,
        },
        lambda answer: answer["result"]["outcome"] == "TASK_OUTCOME_SUCCEEDED",
        {"task": {"task_id": "7"}, "locale": "!"},
        {"task.task_id", "task.action", "locale"},
    ),
    "generation": Example(
        "parley.v1.GenerationService",
        "Generate",
        {"acts": [{"type": "DIALOGUE_ACT_TYPE_GREET"}], "locale": "en"},
        lambda answer: answer["reply"]["text"],
        {"acts": [{}], "locale": "!"},
        {"acts[0].type", "locale"},
    ),
    "gateway": Example(
        "parley.v1.GatewayService",
        "Publish",
        {"utterance": {"text": "turn on the kitchen light", "conversation_id": "contract"}},
        lambda answer: uuid.UUID(answer["turn_id"]) and answer["conversation_id"] == "contract",
        {"utterance": {"locale": "!"}},
        {"utterance.content", "utterance.locale"},
        ["Converse", "GetTurn"],
    ),
}


@dataclass
class Running:
    """A service in a host of its own, and a channel to it."""

    name: str
    host: Host
    channel: grpc.Channel

    @property
    def example(self) -> Example:
        """What this service is asked."""
        return EXAMPLES[self.name]


@pytest.fixture(scope="module", params=SERVICES)
def running(
    request: pytest.FixtureRequest, embedded_broker: TestBroker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """Each service, one after the other."""
    name: str = request.param
    storage = StorageSettings.load()
    if name in _LEARNED:
        prepare([name], storage)
    else:
        storage = StorageSettings.load(data_dir=tmp_path_factory.mktemp(name), database_url="")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("PARLEY_SERVER_HTTP_PORT", "0")
        server = ServerSettings.load(grpc_port=0, metrics_port=0)
        host = Host(build([name], storage), kafka=embedded_broker.kafka, server=server, group=f"contract-{name}")
    host.start()
    with grpc.insecure_channel(f"127.0.0.1:{host.grpc.port}") as channel:
        try:
            assert host.wait_ready(120), host.readiness()
            yield Running(name, host, channel)
        finally:
            host.stop()


def test_every_service_has_an_example() -> None:
    assert set(EXAMPLES) == set(SERVICES)


def test_reflection_shows_the_api_with_all_its_methods(running: Running) -> None:
    example = running.example

    assert services(running.channel) == sorted([example.api, *_OWN_APIS])
    assert sorted(methods(running.channel, example.api)) == sorted([example.method, *example.others])


def test_health_tells_of_the_process_and_of_the_api(running: Running) -> None:
    health = health_pb2_grpc.HealthStub(running.channel)

    for name in ("", running.example.api):
        answer = health.Check(health_pb2.HealthCheckRequest(service=name))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_the_api_does_its_work(running: Running) -> None:
    example = running.example

    answer = call(running.channel, example.api, example.method, example.request)

    assert example.shows(answer), answer


def test_a_bad_request_is_told_every_field_it_violates(running: Running) -> None:
    example = running.example

    with pytest.raises(grpc.RpcError) as refusal:
        call(running.channel, example.api, example.method, example.bad)

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    violations = violated_fields(refusal.value)
    assert violations.keys() == example.violated
    assert all(violations.values()), "each says what is wrong with it"


@pytest.mark.parametrize("running", ["gateway"], indirect=True)
def test_a_turn_that_was_published_can_be_asked_for(running: Running) -> None:
    api = running.example.api
    published = call(running.channel, api, "Publish", {"utterance": {"text": "good morning"}})

    found = call(running.channel, api, "GetTurn", {"turn_id": published["turn_id"]})

    assert found["turn"]["utterance"]["text"] == "good morning"


@pytest.mark.parametrize("running", ["gateway"], indirect=True)
def test_a_turn_nobody_published_is_not_found(running: Running) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        call(running.channel, running.example.api, "GetTurn", {"turn_id": str(uuid.uuid4())})

    assert refusal.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("running", ["gateway"], indirect=True)
def test_a_bad_utterance_ends_a_conversation_stream_with_every_violated_field(running: Running) -> None:
    with pytest.raises(grpc.RpcError) as refusal:
        list(stream(running.channel, running.example.api, "Converse", [{"utterance": {"locale": "!"}}]))

    assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert violated_fields(refusal.value).keys() == {"utterance.content", "utterance.locale"}
