"""Every alert, firing where it must and silent where it must not be, by promtool; each with its page of the runbook."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.watching.alerts import ALERTS
from deploy.watching.objectives import BURNS, OBJECTIVES
from deploy.watching.rules import groups
from tests.deployment.prometheus_tools import expressions, metrics_of, queries, tool
from tests.deployment.rendered import CHECKOUT
from tests.deployment.test_metrics_table import exposed

pytestmark = pytest.mark.deployment
RUNBOOKS = CHECKOUT / "docs" / "runbooks"
NAMES = {alert.name for alert in ALERTS} | {objective.alert for objective in OBJECTIVES}
TURNS = {"parley_turn_seconds_count": "0+60x{n}"}
# (alert, series that set it off, series that do not); a step is a minute, and {n} how many there are.
CASES: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "ParleyTurnLatencyBurn": (
        {**TURNS, 'parley_turn_seconds_bucket{le="1.5"}': "0+6x{n}"},
        {**TURNS, 'parley_turn_seconds_bucket{le="1.5"}': "0+59x{n}"},
    ),
    "ParleyAvailabilityBurn": (
        {**TURNS, "parley_turns_given_up_total": "0+6x{n}"},
        {**TURNS, "parley_turns_given_up_total": "0+0x{n}"},
    ),
    "ParleyTaskSuccessBurn": (
        {
            'parley_task_results_total{outcome="succeeded"}': "0+30x{n}",
            'parley_task_results_total{outcome="failed"}': "0+30x{n}",
        },
        {
            'parley_task_results_total{outcome="succeeded"}': "0+60x{n}",
            'parley_task_results_total{outcome="denied"}': "0+60x{n}",
        },
    ),
    "ParleyDown": ({'up{job="parley/parley"}': "0x{n}"}, {'up{job="parley/parley"}': "1x{n}"}),
    "ParleyServiceNotReady": (
        {
            'parley_service_ready{service="nlu", pod="a"}': "0x{n}",
            'parley_service_ready{service="nlu", pod="b"}': "0x{n}",
        },
        {
            'parley_service_ready{service="nlu", pod="a"}': "0x{n}",
            'parley_service_ready{service="nlu", pod="b"}': "1x{n}",
        },
    ),
    "ParleyConsumerLag": (
        {'parley_consumer_lag_events{group="g", topic="t"}': "600+10x{n}"},
        {'parley_consumer_lag_events{group="g", topic="t"}': "9000-10x{n}"},
    ),
    "ParleyDeadLetters": (
        {'parley_dead_letters_total{service="asr", error_class="InvalidEvent"}': "0+1x{n}"},
        {'parley_dead_letters_total{service="asr", error_class="InvalidEvent"}': "7x{n}"},
    ),
    "ParleyOutboxStuck": (
        {'parley_outbox_age_seconds{service="dialogue"}': "90x{n}"},
        {'parley_outbox_age_seconds{service="dialogue"}': "5x{n}"},
    ),
    "ParleyRetries": (
        {'parley_event_retries_total{service="asr", error_class="Unavailable"}': "0+30x{n}"},
        {'parley_event_retries_total{service="asr", error_class="Unavailable"}': "0+1x{n}"},
    ),
    "ParleyTurnsDrivenAgain": (
        {**TURNS, "parley_turns_driven_again_total": "0+6x{n}"},
        {**TURNS, "parley_turns_driven_again_total": "0+0x{n}"},
    ),
    "ParleyRpcErrors": (
        {
            'parley_rpc_seconds_count{method="m", code="OK"}': "0+50x{n}",
            'parley_rpc_seconds_count{method="m", code="INTERNAL"}': "0+10x{n}",
        },
        {
            'parley_rpc_seconds_count{method="m", code="OK"}': "0+50x{n}",
            'parley_rpc_seconds_count{method="m", code="INVALID_ARGUMENT"}': "0+50x{n}",
        },
    ),
    "ParleyOutOfScope": (
        {
            'parley_understandings_total{scope="out"}': "0+50x{n}",
            'parley_understandings_total{scope="in"}': "0+50x{n}",
        },
        {
            'parley_understandings_total{scope="out"}': "0+10x{n}",
            'parley_understandings_total{scope="in"}': "0+50x{n}",
        },
    ),
}
MINUTES = 120


def promtool_test(alert: str, series: dict[str, str], *, fires: bool) -> dict[str, Any]:
    """One case: the state of the alert at the end of the series."""
    firing = f'max(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    return {
        "name": f"{alert} {'fires' if fires else 'is silent'}",
        "interval": "1m",
        "input_series": [{"series": name, "values": values.format(n=MINUTES)} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": firing,
                "eval_time": f"{MINUTES}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if fires else [],
            }
        ],
    }


def promtool(folder: Path, tests: list[dict[str, Any]]) -> subprocess.CompletedProcess[str]:
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": groups()}), encoding="utf-8")
    (folder / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yaml"], "evaluation_interval": "5m", "tests": tests}), encoding="utf-8"
    )
    return subprocess.run(
        [tool("promtool"), "test", "rules", "tests.yaml"], cwd=folder, capture_output=True, text=True, check=False
    )


def test_every_alert_has_a_case_and_a_page() -> None:
    assert CASES.keys() == NAMES
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == NAMES
    for page in RUNBOOKS.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {page.stem}\n") and "\n## Look\n" in text and "\n## Do\n" in text, page.name


def test_every_alert_fires_and_is_silent_where_it_should(tmp_path: Path) -> None:
    tests = [
        promtool_test(alert, series, fires=fires)
        for alert, cases in CASES.items()
        for series, fires in zip(cases, (True, False), strict=True)
    ]
    done = promtool(tmp_path, tests)
    assert done.returncode == 0, done.stderr[-4000:]


def test_a_case_can_fail(tmp_path: Path) -> None:
    series, _ = CASES["ParleyDown"]
    assert promtool(tmp_path, [promtool_test("ParleyDown", series, fires=False)]).returncode != 0


def test_a_short_outage_pages_nobody_and_a_slow_burn_writes_a_ticket(tmp_path: Path) -> None:
    """What two windows are for: a few bad minutes are over before the long one notices; ever so few are noticed."""
    turns, given_up = "parley_turn_seconds_count", "parley_turns_given_up_total"

    def severity(wanted: str) -> str:
        return f'max(ALERTS{{alertname="ParleyAvailabilityBurn", alertstate="firing", severity="{wanted}"}})'

    blip = {
        "interval": "1m",
        "input_series": [
            {"series": turns, "values": "0+60x120"},
            {"series": given_up, "values": "0x105 0+10x2 20x12"},
        ],
        "promql_expr_test": [{"expr": severity("page"), "eval_time": "115m", "exp_samples": []}],
    }
    slow = {
        "interval": "5m",
        "input_series": [{"series": turns, "values": "0+300x320"}, {"series": given_up, "values": "0+5x320"}],
        "promql_expr_test": [
            {"expr": severity("page"), "eval_time": "1600m", "exp_samples": []},
            {"expr": severity("ticket"), "eval_time": "1600m", "exp_samples": [{"labels": "{}", "value": 1}]},
        ],
    }
    done = promtool(tmp_path, [blip, slow])
    assert done.returncode == 0, done.stderr[-3000:]


def test_burns_reach_what_can_happen() -> None:
    """An alert that would need more than every event to be bad could never fire."""
    for objective in OBJECTIVES:
        for burn in BURNS:
            assert burn.factor * objective.budget < 1, (objective.name, burn.long)


def test_rules_and_dashboards_ask_for_metrics_that_exist() -> None:
    kinds = {"counter": ("",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
    known = {f"{name}{suffix}" for name, (kind, _, _) in exposed().items() for suffix in kinds[kind]}
    known |= {name for name, _ in expressions()}
    for name, expr in (*expressions(), *queries()):
        asked = {metric for metric in metrics_of(expr) if not metric.startswith("kafka_")}
        assert asked <= known, f"{name}: {sorted(asked - known)} are exposed by nothing"
