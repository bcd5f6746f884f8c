"""The edge of a process: readiness, metrics, health, ports, and what callers of its gRPC APIs are told."""

from __future__ import annotations

import json
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status
from prometheus_client import Counter, Gauge, Histogram

from parley.v1 import nlu_pb2, nlu_pb2_grpc, stage_pb2, turn_pb2
from shared.errors import (
    InvalidArtifact,
    InvalidInput,
    NotFound,
    Overloaded,
    PermanentError,
    TransientError,
    Unauthenticated,
    Unavailable,
)
from shared.runtime import metrics
from shared.runtime.host import Host
from shared.runtime.service import Service, Tick
from shared.settings import ServerSettings
from shared.topology import TRANSCRIPTS, UNDERSTANDINGS
from tests.broker import PATIENCE, TestBroker, eventually, free_port
from tests.integration.runtime_doubles import LedgerDouble, StageDouble, a_turn, hosting, stage_service

pytestmark = pytest.mark.integration

Detail = TypeVar("Detail", bound=Message)
API = "parley.v1.NluService"


class NluDouble(nlu_pb2_grpc.NluServiceServicer):
    """Understands nothing; does what the test says."""

    def __init__(self) -> None:
        self.act: Callable[[grpc.ServicerContext], None] = lambda _context: None

    def Understand(  # noqa: N802 - the contract's name
        self, request: nlu_pb2.UnderstandRequest, context: grpc.ServicerContext
    ) -> nlu_pb2.UnderstandResponse:
        """An empty understanding."""
        self.act(context)
        return nlu_pb2.UnderstandResponse()


def nlu_service(servicer: NluDouble, load: Callable[[], None] = lambda: None) -> Service:
    """A service with an API and nothing to read."""
    return Service(
        "nlu",
        stage_pb2.STAGE_NLU,
        (),
        load=load,
        grpc_names=(API,),
        add_servicers=[lambda server: nlu_pb2_grpc.add_NluServiceServicer_to_server(servicer, server)],
    )


@pytest.fixture
def servicer() -> NluDouble:
    return NluDouble()


@pytest.fixture
def stub(embedded_broker: TestBroker, servicer: NluDouble) -> Iterator[nlu_pb2_grpc.NluServiceStub]:
    with (
        hosting(embedded_broker, nlu_service(servicer)) as host,
        grpc.insecure_channel(f"127.0.0.1:{host.grpc.port}") as channel,
    ):
        yield nlu_pb2_grpc.NluServiceStub(channel)


def _wait_for(event: threading.Event) -> None:
    assert event.wait(PATIENCE)


def detail_of(refusal: grpc.RpcError, kind: type[Detail]) -> Detail:
    """What a refusal says beside its text."""
    assert isinstance(refusal, grpc.Call)
    status = rpc_status.from_call(refusal)
    detail = kind()
    assert status.details[0].Unpack(detail)
    return detail


def get(host: Host, path: str) -> tuple[int, str]:
    """Status and body of a page of the health server."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{host.health.port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class TestReadiness:
    def test_it_means_that_the_model_is_loaded_and_partitions_are_assigned(self, broker: TestBroker) -> None:
        loaded = threading.Event()
        service = stage_service(StageDouble(stage_pb2.STAGE_NLU, UNDERSTANDINGS))
        service.load = partial(_wait_for, loaded)
        with hosting(broker, service, ready=False) as host:
            eventually(lambda: host.readiness() == {"nlu": "loading"}, "it is loading")
            status, body = get(host, "/readyz")
            assert (status, json.loads(body)) == (503, {"ready": False, "services": {"nlu": "loading"}})
            assert host.partitions(TRANSCRIPTS) == [], "nothing is read before it can be handled"

            loaded.set()
            eventually(lambda: get(host, "/readyz")[0] == 200, "it is ready")

            assert json.loads(get(host, "/readyz")[1]) == {"ready": True, "services": {"nlu": "ready"}}
            assert host.partitions(TRANSCRIPTS) == [0, 1, 2, 3]

    def test_what_a_service_waits_for_is_told_and_tried_again(self, embedded_broker: TestBroker) -> None:
        reasons = iter([Unavailable("artifact store: does not answer")])

        def load() -> None:
            for reason in reasons:
                raise reason

        with hosting(embedded_broker, nlu_service(NluDouble(), load), ready=False) as host:
            eventually(
                lambda: host.readiness() == {"nlu": "waiting: artifact store: does not answer"}, "it says what it lacks"
            )
            assert host.wait_ready(PATIENCE)

    @pytest.mark.parametrize(
        ("error", "state"),
        [
            (InvalidArtifact("manifest.json", "/models/nlu", "is missing; fetch it again"), "refused: manifest.json: "),
            (ZeroDivisionError("a bug"), "failed: ZeroDivisionError"),
        ],
        ids=["a bad artifact", "a bug"],
    )
    def test_why_a_service_cannot_load_is_told(self, embedded_broker: TestBroker, error: Exception, state: str) -> None:
        def load() -> None:
            raise error

        with hosting(embedded_broker, nlu_service(NluDouble(), load), ready=False) as host:
            eventually(lambda: host.readiness()["nlu"].startswith(state), f"it is {state}")
            assert get(host, "/readyz")[0] == 503
            assert get(host, "/livez") == (200, "ok\n"), "it lives, and restarting it would not help"

    def test_a_background_that_does_not_start_is_told(self, embedded_broker: TestBroker) -> None:
        class DoorDouble:
            def start(self) -> None:
                raise Unavailable("server.http_port: 8900 is taken; stop its process or set PARLEY_SERVER_HTTP_PORT")

            def stop(self) -> None:
                """Nothing was started."""

        service = nlu_service(NluDouble())
        service.background = [DoorDouble()]
        with hosting(embedded_broker, service, ready=False) as host:
            eventually(lambda: "server.http_port: 8900 is taken" in host.readiness()["nlu"], "readiness says so")

    def test_grpc_health_follows_without_anybody_asking_for_readiness(self, embedded_broker: TestBroker) -> None:
        loaded = threading.Event()
        service = nlu_service(NluDouble(), partial(_wait_for, loaded))
        with (
            hosting(embedded_broker, service, ready=False) as host,
            grpc.insecure_channel(f"127.0.0.1:{host.grpc.port}") as channel,
        ):
            health = health_pb2_grpc.HealthStub(channel)

            def status(name: str) -> int:
                answer = health.Check(health_pb2.HealthCheckRequest(service=name), wait_for_ready=True)
                return int(answer.status)

            assert [status(name) for name in ("", API)] == [health_pb2.HealthCheckResponse.NOT_SERVING] * 2
            loaded.set()
            for name in ("", API):
                eventually(lambda: status(name) == health_pb2.HealthCheckResponse.SERVING, f"{name!r} serves")  # noqa: B023


class TestPages:
    def test_metrics_show_all_that_the_runtime_measures(self, broker: TestBroker) -> None:
        nlu = StageDouble(stage_pb2.STAGE_NLU, UNDERSTANDINGS)
        with hosting(broker, stage_service(nlu)) as host:
            with broker.producer() as producer:
                producer.send([a_turn()[1]])
            broker.read(UNDERSTANDINGS)
            status, page = get(host, "/metrics")
            eventually(
                lambda: (
                    'parley_events_total{outcome="handled",service="nlu",topic="parley.transcripts"}'
                    in get(host, "/metrics")[1]
                ),
                "the event is counted",
            )

        assert status == 200
        declared = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]
        assert len(declared) >= 12
        for each in declared:
            for family in each.describe():
                assert f"# HELP {family.name}" in page
        assert 'parley_service_ready{service="nlu"} 1.0' in page

    def test_other_pages_are_not_found_and_the_real_ones_are_named(self, embedded_broker: TestBroker) -> None:
        with hosting(embedded_broker, nlu_service(NluDouble())) as host:
            status, body = get(host, "/")
        assert status == 404
        assert all(page in body for page in ("/metrics", "/readyz", "/livez"))

    def test_a_connection_that_says_nothing_keeps_no_probe_waiting(self, embedded_broker: TestBroker) -> None:
        with (
            hosting(embedded_broker, nlu_service(NluDouble())) as host,
            socket.create_connection(("127.0.0.1", host.health.port)),
        ):
            assert get(host, "/livez")[0] == 200
            host.stop()


ERRORS = [
    (InvalidInput("text", "x", "is not a sentence; send one"), grpc.StatusCode.INVALID_ARGUMENT),
    (Unauthenticated("token: has expired; get a new one"), grpc.StatusCode.UNAUTHENTICATED),
    (NotFound("turn: 7 is unknown"), grpc.StatusCode.NOT_FOUND),
    (Overloaded("1024 requests are waiting for the engine", retry_after=1.5), grpc.StatusCode.RESOURCE_EXHAUSTED),
    (Unavailable("database: does not answer"), grpc.StatusCode.UNAVAILABLE),
    (TransientError("try again"), grpc.StatusCode.UNAVAILABLE),
    (PermanentError("task: was done before"), grpc.StatusCode.FAILED_PRECONDITION),
]


class TestRpc:
    def test_a_request_that_breaks_its_contract_is_told_every_violated_field(
        self, stub: nlu_pb2_grpc.NluServiceStub
    ) -> None:
        with pytest.raises(grpc.RpcError) as refusal:
            stub.Understand(nlu_pb2.UnderstandRequest(locale="!"))

        assert refusal.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        detail = detail_of(refusal.value, error_details_pb2.BadRequest)
        assert {violation.field for violation in detail.field_violations} == {"text", "locale"}

    @pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda each: type(each).__name__)
    def test_errors_have_their_codes_and_their_texts(
        self, stub: nlu_pb2_grpc.NluServiceStub, servicer: NluDouble, error: Exception, code: grpc.StatusCode
    ) -> None:
        def act(_context: grpc.ServicerContext) -> None:
            raise error

        servicer.act = act
        with pytest.raises(grpc.RpcError) as refusal:
            stub.Understand(nlu_pb2.UnderstandRequest(text="hello"))

        assert refusal.value.code() is code
        assert refusal.value.details() == str(error)
        if isinstance(error, Overloaded):
            retry = detail_of(refusal.value, error_details_pb2.RetryInfo)
            assert retry.retry_delay.ToMilliseconds() == 1500

    def test_a_bug_is_logged_and_not_shown(self, stub: nlu_pb2_grpc.NluServiceStub, servicer: NluDouble) -> None:
        def act(_context: grpc.ServicerContext) -> None:
            raise KeyError("my pin is 4711")

        servicer.act = act
        with pytest.raises(grpc.RpcError) as refusal:
            stub.Understand(nlu_pb2.UnderstandRequest(text="my pin is 4711"))

        assert refusal.value.code() is grpc.StatusCode.INTERNAL
        assert "4711" not in str(refusal.value.details())

    def test_a_servicer_may_end_a_call_itself(self, stub: nlu_pb2_grpc.NluServiceStub, servicer: NluDouble) -> None:
        servicer.act = lambda context: context.abort(grpc.StatusCode.OUT_OF_RANGE, "no such page")
        with pytest.raises(grpc.RpcError) as refusal:
            stub.Understand(nlu_pb2.UnderstandRequest(text="hello"))

        assert (refusal.value.code(), refusal.value.details()) == (grpc.StatusCode.OUT_OF_RANGE, "no such page")

    def test_an_api_is_unavailable_until_its_model_is_loaded(self, embedded_broker: TestBroker) -> None:
        loaded = threading.Event()
        service = nlu_service(NluDouble(), partial(_wait_for, loaded))
        with (
            hosting(embedded_broker, service, ready=False) as host,
            grpc.insecure_channel(f"127.0.0.1:{host.grpc.port}") as channel,
        ):
            stub = nlu_pb2_grpc.NluServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refusal:
                stub.Understand(nlu_pb2.UnderstandRequest(text="hello"), wait_for_ready=True)
            assert refusal.value.code() is grpc.StatusCode.UNAVAILABLE
            assert "is not ready yet; try again shortly" in str(refusal.value.details())

            loaded.set()
            assert host.wait_ready(PATIENCE)
            stub.Understand(nlu_pb2.UnderstandRequest(text="hello"))


class TestPorts:
    @pytest.mark.parametrize(
        ("port", "variable"), [("grpc_port", "PARLEY_SERVER_GRPC_PORT"), ("metrics_port", "PARLEY_SERVER_METRICS_PORT")]
    )
    def test_one_that_is_taken_is_told_with_the_setting_to_change(
        self, embedded_broker: TestBroker, port: str, variable: str
    ) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            number = taken.getsockname()[1]
            server = ServerSettings(**{"grpc_port": 0, "metrics_port": 0, port: number})
            with pytest.raises(TransientError) as refusal:
                Host([nlu_service(NluDouble())], kafka=embedded_broker.kafka, server=server, group="all")

        assert f"server.{port}: {number} is taken" in str(refusal.value)
        assert variable in str(refusal.value)

    def test_a_host_gives_its_ports_back(self, embedded_broker: TestBroker) -> None:
        server = ServerSettings(grpc_port=free_port(), metrics_port=free_port())
        for _ in range(2):
            host = Host([nlu_service(NluDouble())], kafka=embedded_broker.kafka, server=server, group="all")
            host.start()
            assert (host.grpc.port, host.health.port) == (server.grpc_port, server.metrics_port)
            host.stop()

    def test_a_host_that_was_never_started_can_be_stopped(self, embedded_broker: TestBroker) -> None:
        server = ServerSettings(grpc_port=0, metrics_port=0)
        Host([nlu_service(NluDouble())], kafka=embedded_broker.kafka, server=server, group="all").stop()


def _nothing(_session: object) -> list[turn_pb2.Turn]:
    return []


MISWIRED = {
    "state without a database": Service(
        "tally",
        stage_pb2.STAGE_NLU,
        (TRANSCRIPTS,),
        stateful_handler=LedgerDouble(),  # type: ignore[arg-type]
    ),
    "ticks without a database": Service(
        "tally",
        stage_pb2.STAGE_NLU,
        (),
        ticks=(Tick(1.0, _nothing),),  # type: ignore[arg-type]
    ),
    "subscriptions without a handler": Service("tally", stage_pb2.STAGE_NLU, (TRANSCRIPTS,)),
    "a handler without subscriptions": Service("tally", stage_pb2.STAGE_NLU, (), handler=LedgerDouble()),
    "a topic nobody declares": Service("tally", stage_pb2.STAGE_NLU, ("orders",), handler=LedgerDouble()),
}


@pytest.mark.parametrize("mistake", MISWIRED)
def test_a_service_that_is_wired_wrongly_is_told_so_before_anything_starts(
    embedded_broker: TestBroker, mistake: str
) -> None:
    server = ServerSettings(grpc_port=0, metrics_port=0)
    with pytest.raises(ValueError, match="tally: "):
        Host([MISWIRED[mistake]], kafka=embedded_broker.kafka, server=server, group="all")
