"""Every pod is restricted, pinned, bounded, and stops within what the code needs."""

from __future__ import annotations

import re

import pytest

from shared.runtime import host
from tests.deployment.rendered import Manifest, of_kind, pods

pytestmark = pytest.mark.deployment
PINNED = re.compile(r"[\w.\-/:]+?(:\d[\w.\-]*|@sha256:[0-9a-f]{64})")


def test_every_pod_meets_the_restricted_standard(manifests: tuple[Manifest, ...]) -> None:
    """https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a read-only file system."""
    for pod in pods(manifests):
        security = pod.spec["securityContext"]
        assert security["runAsNonRoot"] is True and security["runAsUser"] > 0, pod.owner
        assert security["seccompProfile"]["type"] == "RuntimeDefault", pod.owner
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys(), pod.owner
        assert {kind for volume in pod.spec.get("volumes", []) for kind in volume if kind != "name"} <= {
            "emptyDir",
            "secret",
            "configMap",
            "persistentVolumeClaim",
            "projected",
        }, pod.owner
        for container in pod.containers:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False, pod.owner
            assert own["readOnlyRootFilesystem"] is True, pod.owner
            assert own["capabilities"] == {"drop": ["ALL"]}, pod.owner
            assert not any("hostPort" in port for port in container.get("ports", [])), pod.owner


def test_the_namespace_enforces_it(manifests: tuple[Manifest, ...]) -> None:
    (namespace,) = of_kind(manifests, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_image_is_pinned(manifests: tuple[Manifest, ...]) -> None:
    for pod in pods(manifests):
        for container in pod.containers:
            assert PINNED.fullmatch(container["image"]), f"{pod.owner}: {container['image']}"


def test_no_pod_gets_a_token_of_the_api_server(manifests: tuple[Manifest, ...]) -> None:
    accounts = {each["metadata"]["name"]: each for each in of_kind(manifests, "ServiceAccount")}
    for pod in pods(manifests):
        assert pod.spec["automountServiceAccountToken"] is False, pod.owner
        assert accounts[pod.spec["serviceAccountName"]]["automountServiceAccountToken"] is False, pod.owner


def test_every_container_asks_for_what_it_needs(manifests: tuple[Manifest, ...]) -> None:
    for pod in pods(manifests):
        for container in pod.containers:
            resources = container["resources"]
            assert {"cpu", "memory"} <= resources["requests"].keys(), pod.owner
            assert "memory" in resources["limits"], pod.owner


def test_a_pod_has_the_time_the_drain_takes(manifests: tuple[Manifest, ...]) -> None:
    """The grace period begins with preStop, so it covers that, the code's own limit, and a margin."""
    for pod in pods(manifests):
        if pod.owner.startswith("Deployment/"):
            pause = pod.spec["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
            assert pod.spec["terminationGracePeriodSeconds"] >= pause + host._STOP_WITHIN + 1, pod.owner


def test_every_deployment_may_lose_one_pod_at_a_time_and_spreads(manifests: tuple[Manifest, ...]) -> None:
    budgets = {
        tuple(each["spec"]["selector"]["matchLabels"].items()): each["spec"]
        for each in of_kind(manifests, "PodDisruptionBudget")
    }
    for deployment in of_kind(manifests, "Deployment"):
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert budgets[tuple(selector.items())]["maxUnavailable"] == 1
        spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        for each in spread:
            assert each["labelSelector"]["matchLabels"].items() <= labels.items()
            assert "app.kubernetes.io/name" in each["matchLabelKeys"]  # else services would count each other's pods


def test_secrets_are_named_and_never_rendered(manifests: tuple[Manifest, ...]) -> None:
    assert list(of_kind(manifests, "Secret")) == []
