"""What a connector is whose effects lie outside our database: it acts on a system that knows no transaction of ours.

OutsideError            the task is not known to be done
├── NotDone             nothing reached the system: trying again can do nothing twice
└── Uncertain           it may have been done: what may follow depends on the recovery class
"""

from __future__ import annotations

from typing import Protocol

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import Occasion, RecoveryClass
from shared.errors import TransientError


class OutsideError(TransientError):
    """A task that an outside system is not known to have done. `error_class`: stable, for the task's result."""

    def __init__(self, error_class: str, detail: str) -> None:
        super().__init__(detail)
        self.error_class = error_class


class NotDone(OutsideError):
    """Nothing reached the system."""


class Uncertain(OutsideError):
    """The system was reached, or may have been, and did not say how it ended."""


class OutsideConnector(Protocol):
    """One outside system. Called by several threads, never within a transaction."""

    @property
    def name(self) -> str: ...

    @property
    def recovery(self) -> RecoveryClass: ...

    @property
    def actions(self) -> frozenset[str]:
        """Full names of what it can do, for example "tickets.refund"."""

    @property
    def longest(self) -> float:
        """Seconds after which one call of `act` or `ask` has ended, whatever the system does."""

    def act(self, task: dispatch_pb2.Task, occasion: Occasion) -> dispatch_pb2.TaskResult:
        """Do `task`, tell outcome and values. Raises TaskFailed where the system refuses it, NotDone or Uncertain."""

    def ask(self, task: dispatch_pb2.Task) -> dispatch_pb2.TaskResult | None:
        """How a task ended that was begun before; None where the system has not done it. Raises OutsideError.

        Asked of reconcilable connectors alone.
        """
