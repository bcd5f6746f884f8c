"""Prometheus' own programs, and what our rules and dashboards ask it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

from deploy.watching.dashboards import BOARDS
from deploy.watching.rules import groups

_METRIC = re.compile(r"\b(parley_\w+|parley:[\w:]+|kafka_\w+)")


def tool(name: str) -> str:
    """Where a program is; AssertionError that says how to get it."""
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed; run `make tools` (Debian: apt-get install prometheus)"
    return found


def queries() -> Iterator[tuple[str, str]]:
    """(dashboard / panel / legend, PromQL as Grafana sends it) of every query of every dashboard."""
    for board in BOARDS:
        for panel in board.panels:
            for legend, expr in panel.queries.items():
                asked = expr.replace("$__rate_interval", "1m").replace("$service", ".*")
                yield f"{board.uid} / {panel.title} / {legend}", asked


def expressions() -> Iterator[tuple[str, str]]:
    """(name, PromQL) of every rule."""
    for group in groups():
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]


def metrics_of(expr: str) -> set[str]:
    """The metrics a query selects."""
    return set(_METRIC.findall(expr))
