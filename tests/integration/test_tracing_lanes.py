"""What happens to a trace where one event meets many, waits, is sent later or is sent again; and what the log says."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from sqlalchemy.orm import DeclarativeBase, Session

from parley.v1 import stage_pb2, turn_pb2
from services.gateway.redrive import Redrive
from services.gateway.storage import JOURNAL as GATEWAY_JOURNAL
from services.gateway.storage import TurnRow
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire
from shared.errors import Unavailable
from shared.events import Event, Outgoing
from shared.runtime import logs, tracing
from shared.runtime.handling import Handling
from shared.runtime.lanes import StatefulLane, Work
from shared.runtime.offsets import PartitionProgress
from shared.runtime.publisher import Outbox, OutboxSession, Publisher
from shared.runtime.road import forward, open_turn
from shared.runtime.service import Service
from shared.settings import LogSettings, TracingSettings
from shared.storage.database import Database
from shared.storage.journal import Journal
from shared.topology import DECISIONS, TRANSCRIPTS, UNDERSTANDINGS
from tests.broker import eventually
from tests.gateway_parts import event_of, running_gateway
from tests.tracing_parts import OtlpCollectorDouble

pytestmark = pytest.mark.integration

WORDS = "what time is it in zanzibar"


class Base(DeclarativeBase):
    """The tables of a dialogue that keeps nothing but its inbox and its outbox."""


JOURNAL = Journal("dialogue", Base.metadata)


@dataclass
class BrokerDouble:
    """Takes records, or does not answer."""

    taken: list[Wire] = field(default_factory=list)
    silent: bool = False

    def send(self, records: Sequence[Wire]) -> None:
        """As `shared.bus.producer.Producer`."""
        if self.silent:
            raise Unavailable("kafka: no broker answers")
        self.taken.extend(records)


def traceparent(digit: str) -> str:
    """Of a client that records."""
    return f"00-{digit * 32}-{digit * 16}-01"


def trace_of(wire: Wire) -> str:
    """The trace a record belongs to."""
    return wire.headers["traceparent"].split("-")[1]


def understood(digit: str, conversation_id: str = "kitchen") -> Event:
    """A turn that nlu has understood, in a trace of its own."""
    turn = open_turn(turn_pb2.Utterance(text=WORDS), str(uuid.uuid4()), conversation_id)
    del turn.route.next[0]
    return event_of(UNDERSTANDINGS, turn, traceparent=traceparent(digit))


def decided(event: Event) -> Outgoing:
    """What dialogue makes of it."""
    turn = turn_pb2.Turn()
    assert isinstance(event.body, turn_pb2.Turn)
    turn.CopyFrom(event.body)
    turn.decision.flow = "time"
    return forward(event, turn, stage_pb2.STAGE_DIALOGUE, DECISIONS, engine_seconds=0)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """The dialogue's own."""
    database = Database(f"sqlite:///{tmp_path / 'dialogue.sqlite3'}")
    Base.metadata.create_all(database.engine)
    yield database
    database.close()


@dataclass
class Dialogue:
    """A stateful lane and what its handler met."""

    handle: Any
    database: Database
    broker: BrokerDouble = field(default_factory=BrokerDouble)

    def __post_init__(self) -> None:
        publisher = Publisher("dialogue", self.broker, Codecs())  # type: ignore[arg-type] # the edge's double
        self.outbox = Outbox(self.database, JOURNAL, publisher)
        service = Service(
            "dialogue",
            stage_pb2.STAGE_DIALOGUE,
            (UNDERSTANDINGS,),
            stateful_handler=self,
            database=self.database,
            journal=JOURNAL,
        )
        self._progress = PartitionProgress()
        self.lane = StatefulLane(service, self, self.outbox)

    def put(self, event: Event) -> None:
        """Hand one event to the lane."""
        self._progress.fetched(event.offset, 1)
        record = Fetched(event.topic, event.partition, event.offset, b"", [], b"", 0, event.received_at)
        self.lane.put(Work(event, record, self._progress, Handling("dialogue", event)))

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Stop the lane at the end of the block."""
        try:
            yield
        finally:
            self.lane.stop()
            self.lane.join(10)


def test_events_that_share_a_transaction_keep_apart_what_they_send(database: Database) -> None:
    first_is_in, others_are_there = threading.Event(), threading.Event()
    sessions: list[Session] = []

    def handle(event: Event, session: Session) -> Sequence[Outgoing]:
        first_is_in.set()
        others_are_there.wait(10)
        sessions.append(session)
        return [decided(event)]

    with OtlpCollectorDouble() as collector:
        with tracing.exported(TracingSettings(otlp_endpoint=collector.endpoint)):
            dialogue = Dialogue(handle, database)
            with dialogue.settled():
                dialogue.put(understood("9"))
                first_is_in.wait(10)
                for digit in "abc":
                    dialogue.put(understood(digit))
                others_are_there.set()
                eventually(lambda: len(dialogue.broker.taken) == 4, "all four are sent")
        spans = {span.trace_id: span for span in collector.spans()}

    assert len(spans) == 4
    assert sessions[1] is sessions[2] is sessions[3]
    for digit, wire in zip("9abc", dialogue.broker.taken, strict=True):
        span = spans[digit * 32]
        assert span.parent_id == digit * 16
        assert wire.headers["traceparent"] == f"00-{span.trace_id}-{span.span_id}-01"
        assert span.attributes[tracing.OUTCOME] == "handled"


def test_an_event_seen_again_sends_what_it_sent_in_the_trace_it_had(database: Database) -> None:
    with OtlpCollectorDouble() as collector:
        with tracing.exported(TracingSettings(otlp_endpoint=collector.endpoint)):
            dialogue = Dialogue(lambda event, _session: [decided(event)], database)
            with dialogue.settled():
                event = understood("a")
                dialogue.put(event)
                eventually(lambda: len(dialogue.broker.taken) == 1, "it is sent")
                dialogue.put(event)
                eventually(lambda: len(dialogue.broker.taken) == 2, "it is sent again")
        outcomes = [span.attributes[tracing.OUTCOME] for span in collector.spans()]

    first, again = dialogue.broker.taken
    assert first.headers == again.headers
    assert sorted(outcomes) == ["handled", "seen"]


def test_what_a_relay_sends_later_is_still_of_its_trace(database: Database) -> None:
    dialogue = Dialogue(lambda event, _session: [decided(event)], database, BrokerDouble(silent=True))
    with dialogue.settled():
        dialogue.put(understood("a"))
        eventually(lambda: _unsent(dialogue) == 1, "it is committed")
    dialogue.broker.silent = False

    assert dialogue.outbox.relay(timedelta(0)) == 1

    assert [wire.headers["traceparent"] for wire in dialogue.broker.taken] == [traceparent("a")]


def _unsent(dialogue: Dialogue) -> int:
    with dialogue.database.reading() as session:
        return len(JOURNAL.unsent(session, timedelta(0)))


def test_what_waited_for_its_turn_goes_on_in_its_own_trace(database: Database) -> None:
    waiting = understood("b")

    def handle(event: Event, _session: Session) -> Sequence[Outgoing]:
        released = decided(waiting)
        return [Outgoing(released.topic, released.key, released.body, "released", cause=waiting)]

    with OtlpCollectorDouble() as collector:
        with tracing.exported(TracingSettings(otlp_endpoint=collector.endpoint)):
            dialogue = Dialogue(handle, database)
            with dialogue.settled():
                dialogue.put(understood("a"))
                eventually(lambda: len(dialogue.broker.taken) == 1, "it is sent")
        released = next(span for span in collector.spans() if span.name == "dialogue create")

    assert [trace_of(wire) for wire in dialogue.broker.taken] == ["b" * 32]
    assert (released.trace_id, released.parent_id) == ("b" * 32, "b" * 16)
    assert released.links == ["a" * 32]


def test_a_turn_that_is_driven_again_stays_in_its_trace(tmp_path: Path) -> None:
    broker = BrokerDouble()
    with OtlpCollectorDouble() as collector:
        with (
            tracing.exported(TracingSettings(otlp_endpoint=collector.endpoint)),
            running_gateway(tmp_path, turn_deadline_s=60) as gateway,
        ):
            publisher = Publisher("gateway", broker, Codecs())  # type: ignore[arg-type] # the edge's double
            assert gateway.service.attach is not None
            gateway.service.attach(RoadOf(Outbox(gateway.database, GATEWAY_JOURNAL, publisher)))
            posted = gateway.client().post(
                "/v1/utterances", json={"text": WORDS}, headers={"traceparent": traceparent("a")}
            )
            assert posted.status_code == 202
            with gateway.database.transaction() as session:
                session.execute(sa.update(TurnRow).values(opened_at=datetime.now(UTC) - timedelta(seconds=61)))
            redrive = next(each for each in gateway.service.background if isinstance(each, Redrive))
            assert redrive.sweep() == 1
        created = [span for span in collector.spans() if span.name == "gateway create"]

    assert [wire.topic for wire in broker.taken] == [TRANSCRIPTS, TRANSCRIPTS]
    assert [trace_of(wire) for wire in broker.taken] == ["a" * 32, "a" * 32]
    assert created[1].parent_id == created[0].span_id


@dataclass
class RoadOf:
    """The way onto the road, straight from an outbox."""

    outbox: Outbox

    @contextmanager
    def transaction(self) -> Iterator[OutboxSession]:
        """Commits and publishes when the block ends."""
        with self.outbox.transaction() as session:
            yield session

    def reply_partition(self) -> int | None:
        """None is assigned."""
        return None


@pytest.mark.parametrize("garbage", ["", "00-x-y-01", f"00-{'0' * 32}-{'a' * 16}-01", WORDS, "a" * 100_000])
@pytest.mark.parametrize("exported", [False, True])
def test_a_trace_header_that_is_none_is_not_passed_on(database: Database, garbage: str, exported: bool) -> None:
    event = event_of(UNDERSTANDINGS, understood("a").body, traceparent=garbage, tracestate="client=1")

    with OtlpCollectorDouble() as collector:
        with tracing.exported(TracingSettings(otlp_endpoint=collector.endpoint if exported else "")):
            dialogue = Dialogue(lambda event, _session: [decided(event)], database)
            with dialogue.settled():
                dialogue.put(event)
                eventually(lambda: len(dialogue.broker.taken) == 1, "it is sent")
        begun = [span.trace_id for span in collector.spans() if not span.parent_id]

    (wire,) = dialogue.broker.taken
    assert "tracestate" not in wire.headers
    assert tracing.trace_id_of(wire.headers)
    assert begun == ([trace_of(wire)] if exported else [])


@pytest.fixture
def log_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is logged, as JSON."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logs.configure(LogSettings(level="info", format="json"))
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.parametrize("exported", [False, True])
def test_log_lines_name_the_trace_and_the_turn_while_an_event_is_handled(
    database: Database, log_lines: Callable[[], list[dict[str, Any]]], exported: bool
) -> None:
    event = understood("a")
    assert isinstance(event.body, turn_pb2.Turn)

    def handle(event: Event, _session: Session) -> Sequence[Outgoing]:
        structlog.get_logger("tests.ours").info("thinking")
        logging.getLogger("tests.theirs").warning("a library thinks too")
        raise ValueError(WORDS)

    with OtlpCollectorDouble() as collector:
        with tracing.exported(TracingSettings(otlp_endpoint=collector.endpoint if exported else "")):
            dialogue = Dialogue(handle, database)
            with dialogue.settled():
                dialogue.put(event)
                eventually(lambda: len(dialogue.broker.taken) == 1, "it is given up")
            structlog.get_logger("tests.ours").info("idle")
        spans = [span.span_id for span in collector.spans()]

    lines = {line["event"]: line for line in log_lines()}
    for said in ("thinking", "a library thinks too", "event given up"):
        assert lines[said]["trace_id"] == "a" * 32
        assert lines[said]["turn_id"] == event.body.turn_id
        assert lines[said]["conversation_id"] == "kitchen"
        assert [lines[said].get("span_id")] == (spans if exported else [None])
    assert "trace_id" not in lines["idle"]


def test_without_an_endpoint_no_sdk_is_there() -> None:
    program = """
import sys
from opentelemetry import trace
from services.cli import hosting
from shared.runtime.tracing import exported, exporting
from shared.settings import TracingSettings
for name in hosting.SERVICES: __import__(f"services.{name}.handler")
with exported(TracingSettings(otlp_endpoint="")):
    assert not exporting()
    assert type(trace.get_tracer_provider()).__name__ == "ProxyTracerProvider"
assert not [name for name in sys.modules if name.startswith("opentelemetry.sdk")]
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr


def test_a_collector_that_does_not_answer_holds_nobody_up(database: Database) -> None:
    with tracing.exported(TracingSettings(otlp_endpoint="http://127.0.0.1:9")):
        dialogue = Dialogue(lambda event, _session: [decided(event)], database)
        with dialogue.settled():
            for _ in range(100):
                dialogue.put(understood("a"))
            eventually(lambda: len(dialogue.broker.taken) == 100, "all are sent")
        stopping = time.monotonic()

    assert time.monotonic() - stopping < 5
    assert not tracing.exporting()
