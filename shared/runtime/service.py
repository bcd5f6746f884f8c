"""What a service is to the runtime that hosts it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import grpc
from sqlalchemy.orm import Session

from parley.v1 import stage_pb2
from shared.events import Event, Outgoing
from shared.runtime.road_access import Road
from shared.storage.database import Database
from shared.storage.journal import Journal


class Handler(Protocol):
    """One event in, events out. May run twice for one event, and must then send the same."""

    def handle(self, event: Event) -> Sequence[Outgoing]: ...


class StatefulHandler(Protocol):
    """One event in, events out, with state in `session`.

    The runtime opens the transaction, has checked the inbox, stores what is returned in the outbox, commits and
    publishes. The handler never commits; events that wait together share one transaction.
    """

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]: ...


class Background(Protocol):
    """Work of a service that no event starts: clocks, sweeps, HTTP servers."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Tick:
    """Work that time starts: every `seconds`, in a transaction with the outbox, on one replica or on all."""

    seconds: float
    run: Callable[[Session], Sequence[Outgoing]]


@dataclass(slots=True)
class Service:
    """One service, wired: everything the runtime needs to host it."""

    name: str  # "asr"
    stage: stage_pb2.Stage.ValueType
    subscriptions: tuple[str, ...]
    handler: Handler | None = None
    stateful_handler: StatefulHandler | None = None
    # Required with a stateful handler, ticks or `attach`.
    database: Database | None = None
    journal: Journal | None = None
    # True reads every event of the subscriptions; otherwise road events whose next stop is another stage are skipped.
    reads_everything: bool = False
    # With a stateful handler: seconds an event may wait for others to share its transaction, and the topics whose
    # events end that wait at once.
    linger: float = 0.0
    urgent: tuple[str, ...] = ()
    observes: bool = False  # reads along for the record: events it cannot read are others' to refuse
    answers_for: tuple[str, ...] = ()  # topics of which it refuses what it cannot read all the same
    always_reads: tuple[str, ...] = ()  # topics of which every event is delivered, whatever its slip says
    # Events handled side by side; events of one key stay in order in one lane. Stateful services have one lane.
    lanes: int = 8
    # Loads models and opens stores, called once in the background before anything is consumed; raises ParleyError.
    load: Callable[[], None] = lambda: None
    close: Callable[[], None] = lambda: None
    # gRPC: full service names (for health and reflection) and the functions that register the servicers.
    grpc_names: tuple[str, ...] = ()
    add_servicers: Sequence[Callable[[grpc.Server], None]] = ()
    background: list[Background] = field(default_factory=list)
    ticks: tuple[Tick, ...] = ()
    attach: Callable[[Road], None] | None = None  # receives the way onto the road before anything starts
