"""Alerts on causes: what an operator should know of before a promise is broken, or where none covers it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]


@dataclass(frozen=True)
class Alert:
    """One condition, how long it must last, and who is told how soon."""

    name: str
    expr: str
    wait: str
    severity: str
    summary: str


ALERTS = (
    Alert(
        "ParleyDown",
        'up{job=~".*parley.*"} == 0',
        "2m",
        "page",
        "{{ $labels.instance }} does not answer Prometheus",
    ),
    Alert(
        "ParleyServiceNotReady",
        "max by (service) (parley_service_ready) == 0",
        "5m",
        "page",
        "No replica of {{ $labels.service }} is ready",
    ),
    Alert(
        "ParleyConsumerLag",
        "sum by (group, topic) (parley_consumer_lag_events) > 500 "
        "and sum by (group, topic) (deriv(parley_consumer_lag_events[10m])) >= 0",
        "10m",
        "ticket",
        "{{ $labels.group }} falls behind on {{ $labels.topic }}: {{ $value }} events wait",
    ),
    Alert(
        "ParleyDeadLetters",
        "sum by (service, error_class) (increase(parley_dead_letters_total[15m])) > 0",
        "1m",
        "ticket",
        "{{ $labels.service }} gave events up ({{ $labels.error_class }})",
    ),
    Alert(
        "ParleyOutboxStuck",
        "max by (service) (parley_outbox_age_seconds) > 60",
        "5m",
        "page",
        "{{ $labels.service }} has committed what it cannot send: {{ $value }} s old",
    ),
    Alert(
        "ParleyRetries",
        "sum by (service, error_class) (rate(parley_event_retries_total[10m])) > 0.1",
        "10m",
        "ticket",
        "{{ $labels.service }} tries events again and again ({{ $labels.error_class }})",
    ),
    Alert(
        "ParleyTurnsDrivenAgain",
        "sum(rate(parley_turns_driven_again_total[15m])) / sum(rate(parley_turn_seconds_count[15m])) > 0.02",
        "10m",
        "ticket",
        "Turns get lost on the road and are driven again",
    ),
    Alert(
        "ParleyRpcErrors",
        'sum by (method) (rate(parley_rpc_seconds_count{code=~"INTERNAL|UNKNOWN|UNAVAILABLE|DEADLINE_EXCEEDED"}[10m])) '
        "/ sum by (method) (rate(parley_rpc_seconds_count[10m])) > 0.05",
        "5m",
        "ticket",
        "{{ $labels.method }} fails for its callers",
    ),
    Alert(
        "ParleyOutOfScope",
        'sum(rate(parley_understandings_total{scope="out"}[1h])) / sum(rate(parley_understandings_total[1h])) > 0.4',
        "30m",
        "ticket",
        "Much of what people say is not understood: they ask for something new, or the model has gone bad",
    ),
)


def cause_alerts(runbook: str) -> Iterator[Rule]:
    """The alerts as rules. `runbook`: URL of a page, with {alert} for its name."""
    for alert in ALERTS:
        yield {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.wait,
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "runbook_url": runbook.format(alert=alert.name)},
        }
