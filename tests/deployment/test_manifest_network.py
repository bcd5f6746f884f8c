"""Nothing is reachable but by the edges of the design: every port by a policy, and every policy by a port."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.deployment.rendered import Manifest, Pod, kafka_pods, of_kind, pods, settings_of

pytestmark = pytest.mark.deployment
# Who stands outside the namespace and is named by it.
NEIGHBOURS = {"kube-system", "ingress-nginx", "monitoring"}
# Ports that only neighbours have.
OUTSIDE_PORTS = {53, 443, 4318, 6443}
# Pods an operator may add, and the label by which a policy lets them in.
GUESTS = {"parley.dev/grpc-client": "true"}
# The road: what reaches what, by pod.
KAFKA, KAFKA_TLS, DATABASE = 9092, 9093, 5432
STATEFUL = {"gateway", "dialogue", "knowledge", "dispatch", "migrate"}


def selects(selector: Manifest, labels: dict[str, str]) -> bool:
    """Whether a label selector (of matchLabels) matches."""
    assert selector.keys() <= {"matchLabels"}, selector
    wanted: dict[str, str] = selector.get("matchLabels", {})
    return wanted.items() <= labels.items()


def policies(manifests: tuple[Manifest, ...]) -> list[Manifest]:
    """Every policy but the one that denies."""
    return [each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["name"] != "deny-all"]


def rules(policy: Manifest) -> Iterator[tuple[str, list[Manifest], set[int]]]:
    """(direction, peers, ports) of each rule."""
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in policy["spec"].get(direction, []):
            yield direction, rule.get(peers, []), {port["port"] for port in rule["ports"]}


def egress_ports(pod: Pod, manifests: tuple[Manifest, ...]) -> set[int]:
    """Ports a pod may open connections to."""
    return {
        port
        for policy in policies(manifests)
        if selects(policy["spec"]["podSelector"], pod.labels)
        for direction, _, ports in rules(policy)
        if direction == "egress"
        for port in ports
    }


def test_everything_is_denied_first(manifests: tuple[Manifest, ...]) -> None:
    deny = next(each for each in of_kind(manifests, "NetworkPolicy") if each["metadata"]["name"] == "deny-all")
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_port_is_allowed_by_a_policy(manifests: tuple[Manifest, ...]) -> None:
    for pod in pods(manifests):
        allowed = {
            port
            for policy in policies(manifests)
            if selects(policy["spec"]["podSelector"], pod.labels)
            for direction, _, ports in rules(policy)
            if direction == "ingress"
            for port in ports
        }
        assert set(pod.ports) == allowed & set(pod.ports), f"{pod.owner}: {set(pod.ports) - allowed} let nobody in"
        assert allowed <= set(pod.ports), f"{pod.owner}: {allowed - set(pod.ports)} are allowed and nobody listens"


def test_every_policy_is_used(manifests: tuple[Manifest, ...]) -> None:
    """It selects a pod; each peer is a pod of ours or a neighbour; each port is one the other side listens on."""
    ours = [*pods(manifests), *kafka_pods(manifests)]
    for policy in policies(manifests):
        name = policy["metadata"]["name"]
        selected = [pod for pod in ours if selects(policy["spec"]["podSelector"], pod.labels)]
        assert selected, f"{name} selects no pod"
        for direction, peers, ports in rules(policy):
            inside = [
                pod for peer in peers for pod in ours if is_ours(peer) and selects(peer["podSelector"], pod.labels)
            ]
            for peer in peers:
                assert is_neighbour(peer) or is_guest(peer) or "ipBlock" in peer or inside, f"{name}: {peer} is nobody"
            listening = {port for pod in (selected if direction == "ingress" else inside) for port in pod.ports}
            elsewhere = OUTSIDE_PORTS | ({DATABASE} if any("ipBlock" in peer for peer in peers) else set())
            assert ports <= listening | (elsewhere if direction == "egress" else set()), f"{name}: {ports}"


def test_the_edges_are_those_of_the_design(manifests: tuple[Manifest, ...]) -> None:
    for pod in pods(manifests):
        name = pod.labels["app.kubernetes.io/name"]
        wanted = {53}
        if pod.owner.startswith("Deployment/"):
            wanted |= {kafka_port(pod, manifests), 4318}
        if name in STATEFUL:
            wanted.add(DATABASE)
        assert egress_ports(pod, manifests) == wanted, pod.owner


def test_brokers_let_in_the_services_and_the_scaler_alone(manifests: tuple[Manifest, ...]) -> None:
    services = {"podSelector": {"matchLabels": {"parley.dev/kafka": "true"}}}
    scaler = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}
    for kafka in of_kind(manifests, "Kafka"):
        by_port = {each["port"]: each for each in kafka["spec"]["kafka"]["listeners"]}
        if KAFKA_TLS not in by_port:
            assert [each["networkPolicyPeers"] for each in by_port.values()] == [[services, scaler]]
            continue
        assert set(by_port) == {KAFKA, KAFKA_TLS}
        assert by_port[KAFKA]["networkPolicyPeers"] == [scaler]
        assert by_port[KAFKA_TLS]["networkPolicyPeers"] == [services]
        assert by_port[KAFKA_TLS]["tls"] is True
        assert by_port[KAFKA_TLS]["authentication"] == {"type": "tls"}


def test_services_speak_tls_to_kafka_where_kafka_does(manifests: tuple[Manifest, ...]) -> None:
    secure = any(each["tls"] for kafka in of_kind(manifests, "Kafka") for each in kafka["spec"]["kafka"]["listeners"])
    for pod in pods(manifests):
        if "parley.dev/kafka" not in pod.labels:
            continue
        given = settings_of(pod, manifests)
        assert (given.get("PARLEY_KAFKA_SECURITY_PROTOCOL") == "SSL") == secure, pod.owner
        assert kafka_port(pod, manifests) == (KAFKA_TLS if secure else KAFKA), pod.owner


def kafka_port(pod: Pod, manifests: tuple[Manifest, ...]) -> int:
    """The port of the brokers that a pod is told of."""
    return int(str(settings_of(pod, manifests)["PARLEY_KAFKA_BOOTSTRAP_SERVERS"]).rpartition(":")[2])


def is_ours(peer: Manifest) -> bool:
    return "podSelector" in peer and "namespaceSelector" not in peer


def is_neighbour(peer: Manifest) -> bool:
    labels = peer.get("namespaceSelector", {}).get("matchLabels", {})
    return labels.get("kubernetes.io/metadata.name") in NEIGHBOURS


def is_guest(peer: Manifest) -> bool:
    labels: dict[str, str] = peer.get("podSelector", {}).get("matchLabels", {})
    return labels == GUESTS
