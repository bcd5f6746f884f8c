"""Every rule Prometheus gets, as the Prometheus operator's resource."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from deploy.watching.alerts import cause_alerts
from deploy.watching.objectives import burn_alerts, recording_rules

RUNBOOK = "docs/runbooks/{alert}.md"  # in the repository; put your copy's address before it
Rule = dict[str, Any]


def groups() -> list[dict[str, Any]]:
    """The rules in their groups."""
    return [
        {"name": "parley-objectives", "rules": list(recording_rules())},
        {"name": "parley-latency", "rules": list(_latency())},
        {"name": "parley-burn", "rules": list(burn_alerts(RUNBOOK))},
        {"name": "parley-causes", "rules": list(cause_alerts(RUNBOOK))},
    ]


def prometheus_rule() -> dict[str, Any]:
    """The resource."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "parley", "labels": {"app.kubernetes.io/name": "parley"}},
        "spec": {"groups": groups()},
    }


def _latency() -> Iterator[Rule]:
    """Percentiles that dashboards ask for again and again."""
    for percent in (50, 95, 99):
        yield {
            "record": f"parley:turn_seconds:p{percent}_5m",
            "expr": f"histogram_quantile({percent / 100}, sum by (le) (rate(parley_turn_seconds_bucket[5m])))",
        }
    yield {
        "record": "parley:stage_seconds:p95_5m",
        "expr": "histogram_quantile(0.95, sum by (le, stage) (rate(parley_stage_seconds_bucket[5m])))",
    }
