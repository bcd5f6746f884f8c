"""docs/metrics.md says what the code exposes: names, kinds, labels and meanings."""

from __future__ import annotations

import re
from importlib import import_module

import pytest
from prometheus_client import REGISTRY, Counter, Gauge, Histogram

from services.cli.hosting import SERVICES
from services.gateway import road_metrics
from services.gateway.road_metrics import OTHER, Bounded
from tests.deployment.rendered import CHECKOUT

pytestmark = pytest.mark.deployment
_KINDS = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
_ROW = re.compile(r"\| `(parley_\w+)` \| (\w+) \| ([\w, -]+) \| (.+) \|")
_UNITS = re.compile(r"_(seconds|events|requests|errands|size|streams|ready|confidence)$")
# What would be a person's own, or without bound.
_FORBIDDEN = {"user", "user_id", "text", "turn_id", "conversation_id", "tenant", "trace_id", "event_id", "intent"}


def exposed() -> dict[str, tuple[str, str, str]]:
    """(kind, labels, meaning) of every metric of ours, by its name in PromQL."""
    for service in SERVICES:
        import_module(f"services.{service}.service")  # imports whatever measures
    found = {}
    for collector in REGISTRY._collector_to_names:
        name = getattr(collector, "_name", "")
        if name.startswith("parley_") and isinstance(collector, Counter | Gauge | Histogram):
            kind = collector._type
            shown = f"{name}_total" if kind == "counter" else name
            found[shown] = (kind, ", ".join(collector._labelnames) or "-", collector._documentation)
    return found


def test_the_table_is_what_the_code_exposes() -> None:
    text = (CHECKOUT / "docs" / "metrics.md").read_text(encoding="utf-8")
    table = {match[1]: (match[2], match[3], match[4]) for match in map(_ROW.fullmatch, text.splitlines()) if match}
    missing = [f"| `{name}` | {' | '.join(each)} |" for name, each in exposed().items() if table.get(name) != each]
    assert missing == [], "put these rows into docs/metrics.md"
    assert table.keys() == exposed().keys()


def test_names_say_their_unit_and_kind() -> None:
    for name, (kind, _, _) in exposed().items():
        assert kind in _KINDS
        assert name.endswith("_total") == (kind == "counter"), name
        assert kind == "counter" or _UNITS.search(name), f"{name}: no unit"


def test_no_label_is_a_persons_own() -> None:
    for name, (_, labels, _) in exposed().items():
        assert not set(labels.split(", ")) & _FORBIDDEN, name


def test_what_others_make_up_is_bounded() -> None:
    bounded = Bounded(2)
    assert [bounded(value) for value in ("a", "b", "c", "a", "d")] == ["a", "b", OTHER, "a", OTHER]


def test_an_outcome_of_a_newer_contract_is_no_error() -> None:
    from parley.v1 import dispatch_pb2

    assert road_metrics._name(dispatch_pb2.TaskOutcome, dispatch_pb2.TASK_OUTCOME_FAILED) == "failed"
    assert road_metrics._name(dispatch_pb2.TaskOutcome, 999) == OTHER
