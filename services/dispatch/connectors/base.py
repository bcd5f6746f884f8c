"""What a connector is: one kind of system that tasks act on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2, principal_pb2, turn_pb2
from shared.errors import PermanentError


class RecoveryClass(StrEnum):
    """What may be done about a task that was started and whose outcome was lost."""

    IDEMPOTENT = "idempotent"  # repeat it with its key
    RECONCILABLE = "reconcilable"  # ask the target first
    AT_MOST_ONCE = "at_most_once"  # say that the outcome is unknown


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who asks for a task, and when.

    `turn` carries what a later notification needs: turn id, conversation, utterance and language.
    """

    principal: principal_pb2.Principal
    locale: str  # BCP 47, may be empty
    now: datetime  # aware
    turn: turn_pb2.Turn


class Connector(Protocol):
    """One kind of system. The built-in ones keep their effects as rows of dispatch's database, in `session`."""

    @property
    def name(self) -> str: ...

    @property
    def recovery(self) -> RecoveryClass: ...

    @property
    def actions(self) -> frozenset[str]:
        """Full names of what it can do, for example "home.turn_on"."""

    def execute(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        """Carry out `task` and tell outcome and values; raises TaskFailed, which undoes what it did in `session`."""


class TaskFailed(PermanentError):
    """A task that was not done: a stable class, what was wrong, and what can be told about it."""

    def __init__(self, error_class: str, detail: str, **values: str) -> None:
        super().__init__(detail)
        self.error_class = error_class
        self.values = values


def succeeded(values: Mapping[str, str]) -> dispatch_pb2.TaskResult:
    """The result of a task that was done; empty values are left out."""
    told = {name: value for name, value in values.items() if value}
    return dispatch_pb2.TaskResult(outcome=dispatch_pb2.TASK_OUTCOME_SUCCEEDED, values=told)


def required(task: dispatch_pb2.Task, argument: str) -> str:
    """The value of an argument; raises TaskFailed where it is missing."""
    value = task.arguments.get(argument, "").strip()
    if not value:
        raise TaskFailed("missing_argument", f"{argument}: is missing; {task.action} needs it", argument=argument)
    return value


def number(task: dispatch_pb2.Task, argument: str, low: float, high: float) -> float:
    """A numeric argument between `low` and `high`; raises TaskFailed where it is missing or not such a number."""
    value = required(task, argument)
    try:
        parsed = float(value)
    except ValueError:
        parsed = float("nan")
    if not low <= parsed <= high:
        detail = f"{argument}: {value!r} is refused; give a number from {low:g} to {high:g}"
        raise TaskFailed("invalid_value", detail, argument=argument, low=f"{low:g}", high=f"{high:g}")
    return parsed
