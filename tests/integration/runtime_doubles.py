"""Services whose engines do nothing, to show what the runtime does with services; and hosts to run them in."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from parley.v1 import stage_pb2, turn_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, encode
from shared.events import Event, Outgoing
from shared.runtime.host import Host
from shared.runtime.road import forward, open_turn
from shared.runtime.service import Service, Tick
from shared.settings import ServerSettings
from shared.storage.database import Database
from shared.storage.journal import Journal
from shared.topology import (
    DECISIONS,
    REPLIES,
    TASK_RESULTS,
    TRANSCRIPTS,
    UNDERSTANDINGS,
)
from tests.broker import PATIENCE, Mailbox, TestBroker

Act = Callable[[Event], None]


def turn_of(event: Event) -> turn_pb2.Turn:
    """The turn an event holds, as a copy."""
    assert isinstance(event.body, turn_pb2.Turn)
    turn = turn_pb2.Turn()
    turn.CopyFrom(event.body)
    return turn


def read_turn(record: Fetched) -> turn_pb2.Turn:
    """The turn in a record of the road."""
    assert record.body is not None
    return turn_pb2.Turn.FromString(record.body)


def header(record: Fetched, name: str) -> str:
    """A header of a record, empty where it has none."""
    return dict(record.headers).get(name, b"").decode()


class StageDouble:
    """One stage: does `act`, signs the slip and passes the turn on. `route`: what a turn's first decision writes."""

    def __init__(self, stage: stage_pb2.Stage.ValueType, topic: str, route: Sequence[stage_pb2.Stage.ValueType] = ()):
        self.handled: Mailbox[Event] = Mailbox()
        self.act: Act = lambda _event: None
        self.route = route
        self._stage = stage
        self._topic = topic

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """The turn, one stage further."""
        self.act(event)
        turn = turn_of(event)
        if self.route and not turn.HasField("decision"):
            turn.decision.flow = "double"
            del turn.route.next[:]
            turn.route.next.extend([self._stage, *self.route])
        self.handled.put(event)
        return [forward(event, turn, self._stage, self._topic, engine_seconds=0.0)]


class LedgerDouble:
    """The end of the road: keeps what comes."""

    def __init__(self) -> None:
        self.came: Mailbox[Event] = Mailbox()

    def handle(self, event: Event) -> Sequence[Outgoing]:
        """Nothing follows."""
        self.came.put(event)
        return []


class Base(DeclarativeBase):
    """Tables of the double that has state."""


class TallyRow(Base):
    """How many events a conversation has had, and the words of the last."""

    __tablename__ = "tally"

    conversation_id: Mapped[str] = mapped_column(sa.String(200), primary_key=True)
    count: Mapped[int] = mapped_column(default=0)
    words: Mapped[str] = mapped_column(sa.Text, default="")


TALLY_JOURNAL = Journal("tally", Base.metadata)


class TallyDouble:
    """Counts the events of each conversation, and replies with the count."""

    def __init__(self) -> None:
        self.handled: Mailbox[Event] = Mailbox()
        self.act: Act = lambda _event: None

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        """One more; `act` comes after the state is changed."""
        turn = turn_of(event)
        row = session.get(TallyRow, turn.conversation_id)
        if row is None:
            row = TallyRow(conversation_id=turn.conversation_id, count=0)
            session.add(row)
        row.count += 1
        row.words = turn.utterance.text
        session.flush()
        self.handled.put(event)
        self.act(event)
        turn.reply.text = str(row.count)
        return [forward(event, turn, stage_pb2.STAGE_NLU, REPLIES, engine_seconds=0.0)]


def tally(session: Session) -> dict[str, int]:
    """The counts by conversation."""
    return {row.conversation_id: row.count for row in session.scalars(sa.select(TallyRow))}


def tally_service(handler: TallyDouble, database: Database, ticks: tuple[Tick, ...] = ()) -> Service:
    """A service with state that reads transcripts."""
    return Service(
        name="tally",
        stage=stage_pb2.STAGE_NLU,
        subscriptions=(TRANSCRIPTS,),
        stateful_handler=handler,
        database=database,
        journal=TALLY_JOURNAL,
        load=lambda: Base.metadata.create_all(database.engine),
        ticks=ticks,
    )


def stage_service(handler: StageDouble, name: str = "nlu", lanes: int = 8) -> Service:
    """A service without state that reads transcripts."""
    return Service(name, stage_pb2.STAGE_NLU, (TRANSCRIPTS,), handler=handler, lanes=lanes)


class RoadDouble:
    """Five services that make a whole road: nlu, dialogue, dispatch, generation, gateway."""

    def __init__(self) -> None:
        self.nlu = StageDouble(stage_pb2.STAGE_NLU, UNDERSTANDINGS)
        by_dispatch = (stage_pb2.STAGE_DISPATCH, stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION)
        self.dialogue = StageDouble(stage_pb2.STAGE_DIALOGUE, DECISIONS, by_dispatch)
        self.dispatch = StageDouble(stage_pb2.STAGE_DISPATCH, TASK_RESULTS)
        self.generation = StageDouble(stage_pb2.STAGE_GENERATION, REPLIES)
        self.gateway = LedgerDouble()

    def services(self) -> list[Service]:
        """All five, as they are hosted."""
        stage = stage_pb2.Stage
        return [
            Service("nlu", stage.STAGE_NLU, (TRANSCRIPTS,), handler=self.nlu),
            Service("dialogue", stage.STAGE_DIALOGUE, (UNDERSTANDINGS, TASK_RESULTS), handler=self.dialogue),
            Service("dispatch", stage.STAGE_DISPATCH, (DECISIONS,), handler=self.dispatch),
            Service("generation", stage.STAGE_GENERATION, (DECISIONS,), handler=self.generation),
            Service("gateway", stage.STAGE_GATEWAY, (REPLIES,), handler=self.gateway, reads_everything=True),
        ]


def a_turn(
    text: str = "hello", conversation: str = "kitchen", cause: str | None = None, **headers: str
) -> tuple[str, Wire]:
    """A typed turn at its start: its id and its record. The same `cause` is the same event."""
    turn_id = str(uuid.uuid5(uuid.NAMESPACE_URL, cause) if cause else uuid.uuid4())
    turn = open_turn(turn_pb2.Utterance(text=text), turn_id, conversation)
    outgoing = Outgoing(TRANSCRIPTS, conversation, turn, headers=headers)
    return turn_id, encode(outgoing, source="asr", cause_id=turn_id, inherited={}, codecs=Codecs())


@contextmanager
def hosting(broker: TestBroker, *services: Service, group: str = "all", ready: bool = True) -> Iterator[Host]:
    """A host of `services`, ready; stopped when the block ends."""
    broker.begin_here(f"{broker.kafka.group_prefix}.{group}")
    server = ServerSettings(grpc_port=0, metrics_port=0, grpc_threads=4)
    host = Host(services, kafka=broker.kafka, server=server, group=group)
    host.start()
    try:
        assert not ready or host.wait_ready(PATIENCE), host.readiness()
        yield host
    finally:
        host.stop()
