"""One trace from the utterance to the reply and the task, as a collector gets it: who is whose parent, what is said.

Given the gateway and dispatch as they are, between them stages that do little, on a real broker.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from parley.v1 import gateway_pb2, gateway_pb2_grpc, turn_pb2
from services.dispatch.service import build as build_dispatch
from services.gateway.http.server import HttpServer
from services.gateway.service import build as build_gateway
from shared.bus.codec import Codecs
from shared.bus.envelope import encode
from shared.events import Outgoing
from shared.principals import development_token
from shared.runtime import tracing
from shared.runtime.host import Host
from shared.runtime.road import open_turn
from shared.settings import ServerSettings, StorageSettings, TracingSettings
from shared.topology import DEAD_LETTERS, REPLIES, TRANSCRIPTS, UNDERSTANDINGS
from tests.broker import TestBroker, own_broker
from tests.tracing_parts import LATE, NLU, POISON, OtlpCollectorDouble, Seen, stages

pytestmark = pytest.mark.integration

WORDS = "what time is it in zanzibar"
USER = "auguste-the-user"
CLIENT_TRACE, CLIENT_SPAN = "a" * 32, "b" * 16
KAFKA_TRACE, LATE_TRACE, POISON_TRACE, GARBLED_TRACE, GRPC_TRACE = ("c" * 32, "d" * 32, "e" * 32, "f" * 32, "1" * 32)


def traceparent(trace_id: str, span_id: str = CLIENT_SPAN) -> str:
    """Of a client that records."""
    return f"00-{trace_id}-{span_id}-01"


@dataclass
class Road:
    """Everything between the client and the reply, running."""

    broker: TestBroker
    host: Host
    http_port: int
    token: str

    def post(self, conversation_id: str = "kitchen", **headers: str) -> None:
        """Say something over HTTP and wait until it is answered."""
        answer = httpx.post(
            f"http://127.0.0.1:{self.http_port}/v1/utterances?wait=30",
            json={"text": WORDS, "conversation_id": conversation_id},
            headers={"authorization": f"Bearer {self.token}", **headers},
            timeout=40,
            trust_env=False,
        )
        assert answer.status_code == 200, answer.text

    def publish(self, conversation_id: str, *, count: int = 1, **headers: str) -> None:
        """Put opened turns straight onto the road, all in one send."""
        turns = [open_turn(turn_pb2.Utterance(text=WORDS), str(uuid.uuid4()), conversation_id) for _ in range(count)]
        with self.broker.producer() as producer:
            producer.send(
                [
                    encode(
                        Outgoing(TRANSCRIPTS, conversation_id, turn),
                        source="tests",
                        cause_id=turn.turn_id,
                        inherited=headers,
                        codecs=Codecs(),
                    )
                    for turn in turns
                ]
            )

    def traces_of(self, topic: str, count: int) -> list[str]:
        """`traceparent` of the first `count` records of a topic."""
        records = self.broker.read(topic, count)
        return [dict(record.headers).get("traceparent", b"").decode() for record in records]


@contextmanager
def running(folder: Path, **settings: Any) -> Iterator[Road]:
    """The road with these settings of tracing; when the block ends it has stopped and every span is sent."""
    storage = StorageSettings(data_dir=folder, database_url="")
    with (
        pytest.MonkeyPatch.context() as monkeypatch,
        tracing.exported(TracingSettings(**settings)),
        own_broker() as broker,
        stages(folder) as between,
    ):
        monkeypatch.setenv("PARLEY_SERVER_HTTP_PORT", "0")
        gateway = build_gateway(storage)
        host = Host(
            [gateway, *between, build_dispatch(storage)],
            kafka=broker.kafka,
            server=ServerSettings(grpc_port=0, metrics_port=0),
            group="all",
        )
        host.start()
        try:
            assert host.wait_ready(60), host.readiness()
            http = next(each for each in gateway.background if isinstance(each, HttpServer))
            yield Road(broker, host, http.port, development_token(folder, USER, ("resident",)))
        finally:
            host.stop()


@dataclass(frozen=True)
class Told:
    """What the collector got."""

    spans: list[Seen]
    bytes_received: bytes

    def trace(self, trace_id: str) -> list[Seen]:
        """The spans of one trace."""
        return [span for span in self.spans if span.trace_id == trace_id]

    def one(self, trace_id: str, name: str) -> Seen:
        """The one span of that name in a trace."""
        (found,) = (span for span in self.trace(trace_id) if span.name == name)
        return found

    def edges(self, trace_id: str) -> set[tuple[str, str]]:
        """(parent, child) of a trace by name; a parent outside is its span id."""
        names = {span.span_id: span.name for span in self.spans}
        return {(names.get(span.parent_id, span.parent_id), span.name) for span in self.trace(trace_id)}

    def road_to(self, end: Seen) -> list[str]:
        """Names from the beginning of a trace to one of its spans."""
        by_id = {span.span_id: span for span in self.spans}
        way = [end]
        while (parent := by_id.get(way[0].parent_id)) is not None:
            way.insert(0, parent)
        return [span.name for span in way]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Utterances by every door, some of which fail, on one road whose spans are exported."""
    folder = tmp_path_factory.mktemp("tracing")
    with OtlpCollectorDouble() as collector:
        with running(folder, otlp_endpoint=collector.endpoint) as road:
            _talk(road)
        yield Told(collector.spans(), b"".join(collector.bodies))


def _talk(road: Road) -> None:
    road.post(traceparent=traceparent(CLIENT_TRACE), tracestate="client=1")
    road.post("hall")
    road.publish("cellar", count=10, traceparent=traceparent(KAFKA_TRACE))
    road.publish(LATE, traceparent=traceparent(LATE_TRACE))
    road.publish(POISON, traceparent=traceparent(POISON_TRACE))
    road.broker.publish(TRANSCRIPTS, WORDS.encode(), headers=[("traceparent", traceparent(GARBLED_TRACE).encode())])
    with grpc.insecure_channel(f"127.0.0.1:{road.host.grpc.port}") as channel:
        api = gateway_pb2_grpc.GatewayServiceStub(channel)
        metadata = (("authorization", f"Bearer {road.token}"),)
        utterance = turn_pb2.Utterance(text=WORDS)
        request = gateway_pb2.PublishRequest(utterance=utterance)
        api.Publish(request, metadata=(*metadata, ("traceparent", traceparent(GRPC_TRACE))), timeout=20)
        with pytest.raises(grpc.RpcError):
            api.Publish(gateway_pb2.PublishRequest(), metadata=metadata, timeout=20)
        said = [gateway_pb2.ConverseRequest(utterance=turn_pb2.Utterance(text=WORDS)) for _ in range(2)]
        assert len(list(api.Converse(iter(said), metadata=metadata, timeout=30))) > 2
    road.traces_of(REPLIES, 16)  # 2 by HTTP, 11 by Kafka, 3 by gRPC
    road.traces_of(DEAD_LETTERS, 2)


def test_the_trace_goes_on_from_the_client_through_every_stage_to_the_reply_and_the_task(told: Told) -> None:
    assert told.edges(CLIENT_TRACE) >= {
        (CLIENT_SPAN, "POST /v1/utterances"),
        ("POST /v1/utterances", "gateway create"),
        ("gateway create", "nlu process"),
        ("nlu process", "engine nlu"),
        ("nlu process", "dialogue process"),
        ("dialogue process", "dispatch process"),
        ("dispatch process", "task"),
        ("dispatch process", "dialogue process"),
        ("dialogue process", "generation process"),
        ("generation process", "gateway process"),
    }
    assert told.road_to(told.one(CLIENT_TRACE, "generation process")) == [
        "POST /v1/utterances",
        "gateway create",
        "nlu process",
        "dialogue process",
        "dispatch process",
        "dialogue process",
        "generation process",
    ]


def test_a_client_without_a_trace_begins_one_at_the_gateway(told: Told) -> None:
    begun = [span for span in told.spans if span.name == "POST /v1/utterances" and not span.parent_id]

    (request,) = begun
    replied = told.one(request.trace_id, "generation process")
    assert told.road_to(replied)[:2] == ["POST /v1/utterances", "gateway create"]


def test_each_span_says_what_it_is_by_the_conventions(told: Told) -> None:
    understood = told.one(CLIENT_TRACE, "nlu process")
    turn_id = understood.attributes["parley.turn.id"]

    assert (understood.service, understood.kind, understood.failed) == ("parley.nlu", "CONSUMER", False)
    offset = understood.attributes["messaging.kafka.offset"]
    assert {**understood.attributes, "messaging.kafka.offset": 0} == {
        "messaging.system": "kafka",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": TRANSCRIPTS,
        "messaging.destination.partition.id": understood.attributes["messaging.destination.partition.id"],
        "messaging.kafka.offset": 0,
        "parley.stage": "nlu",
        "parley.turn.id": str(uuid.UUID(turn_id)),
        "parley.conversation.id": "kitchen",
        "parley.model.version": [f"{NLU.name}@{NLU.version}"],
        "parley.outcome": "handled",
        "parley.attempts": 1,
    }
    assert isinstance(offset, int)
    created = told.one(CLIENT_TRACE, "gateway create")
    assert (created.service, created.kind) == ("parley.gateway", "PRODUCER")
    assert created.attributes["parley.turn.id"] == turn_id
    request = told.one(CLIENT_TRACE, "POST /v1/utterances")
    assert (request.kind, request.attributes["http.response.status_code"]) == ("SERVER", 200)
    task = told.one(CLIENT_TRACE, "task")
    assert (task.service, task.kind) == ("parley.dispatch", "INTERNAL")
    assert task.attributes == {"parley.task.action": "clock.time", "parley.outcome": "TASK_OUTCOME_SUCCEEDED"}


def test_turns_that_travel_together_have_spans_of_their_own(told: Told) -> None:
    decided = [span for span in told.trace(KAFKA_TRACE) if span.name == "dialogue process"]
    understood = [span for span in told.trace(KAFKA_TRACE) if span.name == "nlu process"]

    assert len(understood) == 10
    assert len({span.span_id for span in decided}) == 20
    parents = {span.parent_id for span in decided}
    assert parents >= {span.span_id for span in understood}
    assert len(parents) == 20


def test_what_is_tried_again_is_one_span_that_says_so(told: Told) -> None:
    late = told.one(LATE_TRACE, "nlu process")

    assert (late.attributes["parley.attempts"], late.attributes["parley.outcome"]) == (2, "handled")
    assert late.events == [("retry", {"error.type": "Unavailable"})]
    assert not late.failed
    assert told.one(LATE_TRACE, "generation process")


def test_what_is_given_up_says_the_class_of_its_error(told: Told) -> None:
    poison, garbled = told.one(POISON_TRACE, "nlu process"), told.one(GARBLED_TRACE, "nlu process")

    assert poison.failed
    assert garbled.failed
    assert [span.attributes["parley.outcome"] for span in (poison, garbled)] == ["dead_lettered"] * 2
    assert [span.attributes["error.type"] for span in (poison, garbled)] == ["ValueError", "InvalidEvent"]


def test_a_call_over_grpc_goes_on_in_its_clients_trace(told: Told) -> None:
    call = told.one(GRPC_TRACE, "parley.v1.GatewayService/Publish")

    assert (call.kind, call.parent_id) == ("SERVER", CLIENT_SPAN)
    assert call.attributes["rpc.response.status_code"] == "OK"
    assert told.road_to(told.one(GRPC_TRACE, "generation process"))[:3] == [call.name, "gateway create", "nlu process"]


def test_a_call_that_is_refused_is_no_failure_of_ours(told: Told) -> None:
    calls = [span for span in told.spans if span.name == "parley.v1.GatewayService/Publish" and not span.parent_id]

    (refused,) = calls
    assert refused.attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert not refused.failed


def test_each_utterance_of_a_stream_has_a_trace_of_its_own(told: Told) -> None:
    stream = next(span for span in told.spans if span.name == "parley.v1.GatewayService/Converse")
    begun = [span for span in told.spans if span.name == "gateway create" and not span.parent_id]

    assert len({span.trace_id for span in begun}) == 2
    assert stream.trace_id not in {span.trace_id for span in begun}
    for span in begun:
        assert told.road_to(told.one(span.trace_id, "generation process"))[0] == "gateway create"


def test_no_span_holds_words_names_or_tokens(told: Told) -> None:
    assert CLIENT_TRACE in {span.trace_id for span in told.spans}
    for secret in ("zanzibar", WORDS, USER, "Bearer", "It is."):
        assert secret.encode() not in told.bytes_received, secret


def test_without_an_endpoint_the_trace_travels_as_it_came(tmp_path: Path) -> None:
    with running(tmp_path, otlp_endpoint="") as road:
        road.post(traceparent=traceparent(CLIENT_TRACE), tracestate="client=1")
        seen = {topic: road.traces_of(topic, 1) for topic in (TRANSCRIPTS, UNDERSTANDINGS, REPLIES)}

    assert seen == {topic: [traceparent(CLIENT_TRACE)] for topic in (TRANSCRIPTS, UNDERSTANDINGS, REPLIES)}


def test_a_trace_that_is_not_sampled_travels_and_is_not_recorded(tmp_path: Path) -> None:
    with OtlpCollectorDouble() as collector:
        with running(tmp_path, otlp_endpoint=collector.endpoint, sample_ratio=0.0) as road:
            road.post()
            (opened,), (replied,) = road.traces_of(TRANSCRIPTS, 1), road.traces_of(REPLIES, 1)

        assert collector.spans() == []
    assert replied.split("-")[1] == opened.split("-")[1]
    assert [int(each.split("-")[3], 16) & 1 for each in (opened, replied)] == [0, 0]
