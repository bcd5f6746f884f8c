"""The manifests and the code say the same: services, topics, groups, settings, probes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from deploy import manifests as generated
from services.cli.app import application
from services.cli.doctor import known_variables
from services.cli.hosting import SERVICES, build
from shared.runtime.grpc_server import LIVE, GrpcServer
from shared.runtime.service import Service
from shared.settings import KafkaSettings, StorageSettings
from shared.topology import TOPICS
from tests.deployment.rendered import Manifest, Pod, of_kind, pods, settings_of

pytestmark = pytest.mark.deployment
SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def services(storage: StorageSettings) -> dict[str, Service]:
    """Every service of the code, wired."""
    return {service.name: service for service in build(SERVICES, storage)}


@pytest.fixture
def health(services: dict[str, Service]) -> Iterator[tuple[GrpcServer, health_pb2_grpc.HealthStub]]:
    """The process's own gRPC server, none of whose services is ready, and a prober."""
    server = GrpcServer("127.0.0.1", 0, 4, lambda _: True)
    server.start(list(services.values()))
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield server, health_pb2_grpc.HealthStub(channel)
    server.stop(grace=0)


def deployments(manifests: tuple[Manifest, ...]) -> dict[str, Pod]:
    return {
        pod.owner.removeprefix("Deployment/"): pod for pod in pods(manifests) if pod.owner.startswith("Deployment/")
    }


def test_what_the_code_writes_is_what_is_committed() -> None:
    for path, text in generated.written().items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name} is out of date; run `make manifests`"


def test_every_service_has_its_manifests_and_no_other_has(manifests: tuple[Manifest, ...]) -> None:
    assert deployments(manifests).keys() == set(SERVICES)
    for kind in ("Service", "ServiceAccount", "PodDisruptionBudget"):
        assert set(SERVICES) <= {each["metadata"]["name"] for each in of_kind(manifests, kind)}
    for name, pod in deployments(manifests).items():
        assert pod.spec["containers"][0]["args"] == ["serve", name]


def test_every_command_of_a_pod_exists(manifests: tuple[Manifest, ...]) -> None:
    for pod in pods(manifests):
        for container in pod.containers:
            for command in container.get("args", [])[:1]:
                names = [
                    each.name or each.callback.__name__
                    for each in application(command).registered_commands
                    if each.callback
                ]
                assert command in names, f"{pod.owner}: parley {command}"


def test_every_topic_is_declared_once(manifests: tuple[Manifest, ...]) -> None:
    declared = [each["metadata"]["name"] for each in of_kind(manifests, "KafkaTopic")]
    assert sorted(declared) == sorted(TOPICS)


def test_topics_have_the_partitions_and_replicas_the_services_expect(manifests: tuple[Manifest, ...]) -> None:
    environment = settings_of(deployments(manifests)["nlu"], manifests)
    partitions = int(environment["PARLEY_KAFKA_ROAD_PARTITIONS"] or 0)
    for topic in of_kind(manifests, "KafkaTopic"):
        expected = partitions if TOPICS[topic["metadata"]["name"]].road else 1
        assert topic["spec"]["partitions"] == expected
        assert topic["spec"]["replicas"] == int(environment["PARLEY_KAFKA_REPLICATION_FACTOR"] or 0)
        compacted = topic["spec"]["config"]["cleanup.policy"] == "compact"
        assert compacted == TOPICS[topic["metadata"]["name"]].compacted


def test_no_more_replicas_than_partitions(manifests: tuple[Manifest, ...]) -> None:
    partitions = generated.road_partitions()
    for scaled in of_kind(manifests, "ScaledObject"):
        assert scaled["spec"]["maxReplicaCount"] <= partitions
    for scaled in of_kind(manifests, "HorizontalPodAutoscaler"):
        assert scaled["spec"]["maxReplicas"] <= partitions


def test_each_service_is_scaled_by_one_thing(manifests: tuple[Manifest, ...]) -> None:
    targets = [
        each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "ScaledObject", "HorizontalPodAutoscaler")
    ]
    assert len(targets) == len(set(targets))
    if any(of_kind(manifests, "ScaledObject")):
        assert set(targets) == set(SERVICES)
    for deployment in of_kind(manifests, "Deployment"):
        assert "replicas" not in deployment["spec"], "applying it would undo what the scaler did"


def test_lag_is_read_of_the_groups_and_topics_the_code_uses(
    manifests: tuple[Manifest, ...], services: dict[str, Service]
) -> None:
    prefix = KafkaSettings.model_fields["group_prefix"].default
    for scaled in of_kind(manifests, "ScaledObject"):
        service = services[scaled["metadata"]["name"]]
        triggers = [trigger["metadata"] for trigger in scaled["spec"]["triggers"]]
        assert {each["consumerGroup"] for each in triggers} == {f"{prefix}.{service.name}"}
        assert {each["topic"] for each in triggers} == {*service.subscriptions, *service.always_reads}


def test_every_setting_is_one_the_code_reads(manifests: tuple[Manifest, ...]) -> None:
    known = known_variables()
    for pod in pods(manifests):
        given = {name for name in settings_of(pod, manifests) if name.startswith("PARLEY_")}
        assert given <= known, f"{pod.owner}: {sorted(given - known)} are read by nothing"


def test_every_setting_has_a_value_the_code_takes(
    manifests: tuple[Manifest, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    from services.cli.doctor import _sections

    for pod in deployments(manifests).values():
        with monkeypatch.context() as patch:
            for name, value in settings_of(pod, manifests).items():
                if value is not None:
                    patch.setenv(name, value)
            for section in _sections():
                section.load()


def test_files_that_settings_name_are_mounted(manifests: tuple[Manifest, ...]) -> None:
    for pod in pods(manifests):
        mounted = {
            PurePosixPath(mount["mountPath"]) for each in pod.containers for mount in each.get("volumeMounts", [])
        }
        for name, value in settings_of(pod, manifests).items():
            if value and name.endswith(("_FILE", "_DIR", "_PREFIX")):
                path = PurePosixPath(value.removeprefix("file://"))
                assert mounted & {path, *path.parents}, f"{pod.owner}: {name}={value} is on no volume"


def test_the_code_answers_every_probe(
    manifests: tuple[Manifest, ...],
    services: dict[str, Service],
    health: tuple[GrpcServer, health_pb2_grpc.HealthStub],
) -> None:
    server, prober = health

    def answer(probe: Manifest) -> int:
        answered = prober.Check(health_pb2.HealthCheckRequest(service=probe["grpc"]["service"]), timeout=10)
        return int(answered.status)

    for name, pod in deployments(manifests).items():
        (container,) = pod.spec["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        probes = [container[f"{each}Probe"] for each in ("startup", "liveness", "readiness")]
        assert {probe["grpc"]["port"] for probe in probes} == {ports["grpc"]}
        startup, liveness, readiness = probes
        server.set_serving(services[name], False)
        assert [answer(each) for each in probes] == [SERVING, SERVING, NOT_SERVING], name
        assert (
            liveness["grpc"]["service"] == startup["grpc"]["service"] == LIVE
        )  # waiting for Kafka is no reason to die
        server.set_serving(services[name], True)
        assert answer(readiness) == SERVING, name


def test_ports_are_those_the_settings_name(manifests: tuple[Manifest, ...]) -> None:
    for name, pod in deployments(manifests).items():
        environment = settings_of(pod, manifests)
        named = {port["name"]: port["containerPort"] for port in pod.spec["containers"][0]["ports"]}
        assert named.keys() == {"grpc", "metrics"} | ({"http"} if name == "gateway" else set())
        for port, number in named.items():
            assert environment[f"PARLEY_SERVER_{port.upper()}_PORT"] == str(number)
        assert environment["PARLEY_SERVER_HOST"] == "0.0.0.0"
