"""What the runtime gives a service that starts events of its own (the gateway)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy.orm import Session

from shared.bus.envelope import Wire
from shared.events import Outgoing


class RoadSession(Protocol):
    """One transaction of the service's database, with its outbox."""

    @property
    def session(self) -> Session: ...

    def send(self, outgoing: Outgoing, *, cause_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Put an event into the outbox; it is published once the transaction is committed."""

    def send_wire(self, wire: Wire, *, cause_id: str) -> None:
        """Put a record into the outbox as it is: an event that was sent before, or a dead letter."""


class Road(Protocol):
    """The way onto the road for events that no event causes."""

    def transaction(self) -> AbstractContextManager[RoadSession]:
        """Commits and publishes when the block ends; rolls back and sends nothing when it raises."""

    def reply_partition(self) -> int | None:
        """A partition of parley.replies that this replica reads, or None before one is assigned."""
