"""Writes the manifests that follow from the code: topics, scaling, rules, dashboards.

`python -m deploy.manifests` (or `make manifests`) writes them; a test compares what is committed with the code.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from deploy.watching.dashboards import BOARDS, rendered
from deploy.watching.rules import prometheus_rule
from services.cli.hosting import SERVICES, build
from shared.runtime.service import Service
from shared.settings import KafkaSettings, StorageSettings
from shared.topology import TOPICS, Topic

Manifest = dict[str, Any]
K8S = Path(__file__).parent / "k8s"
MONITORING = K8S / "components" / "monitoring"
_WRITTEN = "# Written by `make manifests` from the code: change that, not this file.\n"
_LAG_A_REPLICA = 50  # events that one replica may have waiting before another is started
_REPLICATION = 3
_SCALED_BY_CPU = {"gateway"}  # its work is requests; the HorizontalPodAutoscaler of the base has it


def road_partitions() -> int:
    """Partitions of the road on a cluster, as deploy/k8s/base/settings.env says."""
    lines = (K8S / "base" / "settings.env").read_text(encoding="utf-8").splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return int(values["PARLEY_KAFKA_ROAD_PARTITIONS"])


def kafka_topic(topic: Topic, partitions: int) -> Manifest:
    """Strimzi's resource for one topic of the topology."""
    return {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": topic.name, "labels": {"strimzi.io/cluster": "parley"}},
        "spec": {
            "partitions": partitions,
            "replicas": _REPLICATION,
            "config": {"cleanup.policy": "compact" if topic.compacted else "delete"},
        },
    }


def scaled_object(service: Service, partitions: int) -> Manifest:
    """KEDA's resource for one service: never more replicas than partitions, for the rest would have nothing to do.

    Lag that no commit moves (a partition whose event is tried again and again) starts no replica: it would not help.
    """
    kafka = KafkaSettings.model_construct()
    triggers = [
        {
            "type": "kafka",
            "metadata": {
                "bootstrapServers": "parley-kafka-bootstrap.parley.svc:9092",
                "consumerGroup": f"{kafka.group_prefix}.{service.name}",
                "topic": topic,
                "lagThreshold": str(_LAG_A_REPLICA),
                "activationLagThreshold": "5",
                "excludePersistentLag": "true",
                "offsetResetPolicy": "earliest",
            },
        }
        for topic in sorted({*service.subscriptions, *service.always_reads})
    ]
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": service.name},
        "spec": {
            "scaleTargetRef": {"name": service.name},
            "minReplicaCount": 1,
            "maxReplicaCount": partitions,
            "pollingInterval": 15,
            "cooldownPeriod": 300,
            "fallback": {"failureThreshold": 4, "replicas": 3},  # where Kafka does not tell the lag
            "advanced": {
                "horizontalPodAutoscalerConfig": {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 300}}}
            },
            "triggers": triggers,
        },
    }


def written() -> dict[Path, str]:
    """Every file this module writes, with its text."""
    partitions = road_partitions()
    other: int = KafkaSettings.model_fields["other_partitions"].default
    topics = [kafka_topic(topic, partitions if topic.road else other) for topic in TOPICS.values()]
    services = build([name for name in SERVICES if name not in _SCALED_BY_CPU], StorageSettings.load())
    scaled = [scaled_object(service, partitions) for service in services]
    return {
        K8S / "components" / "strimzi" / "topics.yaml": _yaml(topics),
        K8S / "components" / "keda" / "scaled-objects.yaml": _yaml(scaled),
        MONITORING / "rules.yaml": _yaml([prometheus_rule()]),
        **{MONITORING / "dashboards" / f"{board.uid}.json": rendered(board) for board in BOARDS},
    }


def main() -> None:
    """Write the files."""
    for path, text in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _yaml(manifests: Iterable[Manifest]) -> str:
    return _WRITTEN + yaml.safe_dump_all(manifests, sort_keys=False)


if __name__ == "__main__":
    main()
