"""What is promised, and how much of it is being missed: recording rules and burn-rate alerts.

A burn rate says how many times faster than allowed the error budget of 30 days is being spent. An alert needs a long
window (it matters) and a short one (it still goes on). Windows and factors: the SRE Workbook, "Alerting on SLOs",
https://sre.google/workbook/alerting-on-slos/.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Rule = dict[str, Any]


@dataclass(frozen=True)
class Objective:
    """One promise: the share of what happens that must be good. `bad` and `all`: rates over the window {w}."""

    name: str
    alert: str
    promise: str
    target: float
    bad: str
    all: str

    @property
    def budget(self) -> float:
        """The share that may be bad."""
        return round(1 - self.target, 6)

    def ratio(self, window: str) -> str:
        """Name of the recorded share of bad ones over a window."""
        return f"parley:{self.name}_errors:ratio_rate{window}"


@dataclass(frozen=True)
class Burn:
    """One speed at which a budget may be spent before somebody is told."""

    long: str
    short: str
    factor: float
    wait: str
    severity: str


_ENDED = "sum(rate(parley_turn_seconds_count[{w}]))"
_TASKS = 'sum(rate(parley_task_results_total{{outcome=~"{outcomes}"}}[{{w}}]))'

OBJECTIVES = (
    Objective(
        name="latency",
        alert="ParleyTurnLatencyBurn",
        promise="95 of 100 turns have their final reply within 1.5 s",
        target=0.95,
        bad=f'({_ENDED} - sum(rate(parley_turn_seconds_bucket{{le="1.5"}}[{{w}}])))',
        all=_ENDED,
    ),
    Objective(
        name="availability",
        alert="ParleyAvailabilityBurn",
        promise="995 of 1,000 turns are answered by more than an apology",
        target=0.995,
        bad="sum(rate(parley_turns_given_up_total[{w}]))",
        all=_ENDED,
    ),
    Objective(
        name="task",
        alert="ParleyTaskSuccessBurn",
        promise="97 of 100 tasks that may be done are done",
        target=0.97,
        bad=f"({_TASKS.format(outcomes='failed|unknown')} or vector(0))",
        all=_TASKS.format(outcomes="succeeded|failed|unknown"),
    ),
)
BURNS = (
    Burn("1h", "5m", 14.4, "2m", "page"),
    Burn("6h", "30m", 6, "5m", "page"),
    Burn("1d", "2h", 3, "15m", "ticket"),
    Burn("3d", "6h", 1, "1h", "ticket"),
)
WINDOWS = tuple(dict.fromkeys(window for burn in BURNS for window in (burn.short, burn.long)))


def recording_rules() -> Iterator[Rule]:
    """The share of bad ones, by objective and window."""
    for objective in OBJECTIVES:
        for window in WINDOWS:
            bad, every = (each.replace("{w}", window) for each in (objective.bad, objective.all))
            yield {"record": objective.ratio(window), "expr": f"{bad} / {every}"}


def burn_alerts(runbook: str) -> Iterator[Rule]:
    """An alert by objective and burn. `runbook`: URL of a page, with {alert} for its name."""
    for objective in OBJECTIVES:
        for burn in BURNS:
            limit = round(min(burn.factor * objective.budget, 1), 6)
            yield {
                "alert": objective.alert,
                "expr": f"{objective.ratio(burn.long)} > {limit:g} and {objective.ratio(burn.short)} > {limit:g}",
                "for": burn.wait,
                "labels": {"severity": burn.severity, "objective": objective.name, "window": burn.long},
                "annotations": {
                    "summary": f"The budget of the objective is spent {burn.factor:g} times too fast",
                    "description": f"Promised: {objective.promise}. Missed now: {{{{ $value | humanizePercentage }}}}.",
                    "runbook_url": runbook.format(alert=objective.alert),
                },
            }
