"""What dispatch measures, for Prometheus. Labels are bounded: connectors, outcomes, classes; never a user's words."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

TASKS = Counter("parley_tasks", "Tasks that reached a connector, by how they ended", ("connector", "outcome"))
ATTEMPTS_FAILED = Counter(
    "parley_task_attempts_failed", "Attempts at an outside system without an outcome", ("connector", "error_class")
)
RECOVERIES = Counter(
    "parley_task_recoveries", "Tasks taken up again whose last attempt had no outcome", ("connector", "recovery")
)
OUTSIDE_SECONDS = Histogram(
    "parley_task_outside_seconds",
    "Time of one call of an outside system",
    ("connector",),
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
ERRANDS = Gauge("parley_task_errands", "Turns that wait for outside systems now, in this process")
