"""How a task's ending is written down."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from parley.v1 import dispatch_pb2


def ended(
    task: dispatch_pb2.Task,
    now: datetime,
    outcome: dispatch_pb2.TaskOutcome.ValueType,
    error_class: str = "",
    detail: str = "",
    values: Mapping[str, str] | None = None,
) -> dispatch_pb2.TaskResult:
    """A result that tells the arguments, and over them what the connector tells."""
    known = {**task.arguments, **(values or {})}
    result = dispatch_pb2.TaskResult(
        task_id=task.task_id,
        action=task.action,
        outcome=outcome,
        values={name: value for name, value in known.items() if value},
        error_class=error_class,
        detail=detail,
        attempts=1,
    )
    result.started_at.FromDatetime(now)
    result.finished_at.FromDatetime(now)
    return result
