"""The gateway for tests: all of it real but the road, which is a double that remembers what it was given."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import Any

import httpx
from google.protobuf.message import Message
from sqlalchemy.orm import Session

from parley.v1 import asr_pb2, generation_pb2, models_pb2, nlu_pb2, stage_pb2, turn_pb2
from services.gateway.http.server import HttpServer
from services.gateway.service import assemble
from services.gateway.settings import GatewaySettings, JwtSettings
from services.gateway.tokens import TokenVerifier
from shared.bus.envelope import Wire
from shared.events import Event, Outgoing
from shared.principals import PrincipalSeal, development_token, ensure_keys
from shared.runtime.grpc_server import GrpcServer
from shared.runtime.road import forward, open_turn
from shared.runtime.service import Service
from shared.settings import ServerSettings
from shared.storage.database import Database
from shared.topology import DECISIONS, REPLIES, TOPICS, TRANSCRIPTS, UNDERSTANDINGS, UTTERANCES

SEAL = PrincipalSeal(b"s" * 32)


@dataclass(frozen=True)
class Sent:
    """One event given to the road."""

    outgoing: Outgoing
    cause_id: str
    headers: Mapping[str, str]


@dataclass(frozen=True)
class SentWire:
    """One record given to the road as it is."""

    wire: Wire
    cause_id: str


@dataclass
class RoadDouble:
    """A road that keeps what is sent, once it is committed."""

    database: Database
    partition: int | None = None
    sent: list[Sent] = field(default_factory=list)
    wires: list[SentWire] = field(default_factory=list)

    @contextmanager
    def transaction(self) -> Iterator[RoadSessionDouble]:
        """Commits the database, then remembers what was sent."""
        with self.database.transaction() as session:
            road_session = RoadSessionDouble(session)
            yield road_session
        self.sent.extend(road_session.sent)
        self.wires.extend(road_session.wires)

    def reply_partition(self) -> int | None:
        """The partition a test has set."""
        return self.partition


@dataclass
class RoadSessionDouble:
    """One transaction."""

    session: Session
    sent: list[Sent] = field(default_factory=list)
    wires: list[SentWire] = field(default_factory=list)

    def send(self, outgoing: Outgoing, *, cause_id: str, headers: Mapping[str, str] | None = None) -> None:
        """Remember one event."""
        self.sent.append(Sent(outgoing, cause_id, {**(headers or {}), **outgoing.headers}))

    def send_wire(self, wire: Wire, *, cause_id: str) -> None:
        """Remember one record."""
        self.wires.append(SentWire(wire, cause_id))


def event_of(topic: str, body: Message, *, id: str = "", key: str = "", **headers: str) -> Event:
    """An event as the runtime hands it to a handler."""
    return Event(
        topic=topic,
        partition=0,
        offset=0,
        key=key or getattr(body, "conversation_id", ""),
        id=id or str(uuid.uuid4()),
        type=TOPICS[topic].event_type,
        source="/tests",
        time=datetime.now(UTC),
        body=body,
        headers=headers,
        received_at=time(),
    )


def journey(
    turn_id: str = "", conversation_id: str = "kitchen", *, said: str = "turn on the light", reply: str = "It is on."
) -> list[Event]:
    """The events of a typed turn as they travel: transcript, understanding, decision, final reply."""
    turn_id = turn_id or str(uuid.uuid4())
    turn = open_turn(turn_pb2.Utterance(text=said, locale="en"), turn_id, conversation_id)
    turn.transcript.text = said
    turn.transcript.outcome = asr_pb2.TRANSCRIPT_OUTCOME_TYPED
    turn.transcript.confidence = 1.0
    visit = turn.route.visits.add(stage=stage_pb2.STAGE_GATEWAY)
    visit.received_at.GetCurrentTime()
    events = [event_of(TRANSCRIPTS, turn)]
    understood = _onwards(events[-1], stage_pb2.STAGE_NLU, UNDERSTANDINGS, understanding=_UNDERSTANDING)
    events.append(understood)
    events.append(_onwards(events[-1], stage_pb2.STAGE_DIALOGUE, DECISIONS))
    final = generation_pb2.Reply(kind=generation_pb2.REPLY_KIND_FINAL, text=reply, language="en", backend="template")
    events.append(_onwards(events[-1], stage_pb2.STAGE_GENERATION, REPLIES, reply=final))
    return events


def said_again(
    event: Event, kind: generation_pb2.ReplyKind.ValueType, text: str, *, number: int = 0, attempt: int = 0
) -> Event:
    """Another reply to the turn of a reply event."""
    turn = turn_of(event)
    turn.reply.CopyFrom(generation_pb2.Reply(kind=kind, text=text, number=number, attempt=attempt))
    return event_of(REPLIES, turn)


def turn_of(event: Event) -> turn_pb2.Turn:
    """A copy of the turn in an event."""
    assert isinstance(event.body, turn_pb2.Turn)
    turn = turn_pb2.Turn()
    turn.CopyFrom(event.body)
    return turn


_UNDERSTANDING = nlu_pb2.Understanding(
    language="en",
    intent="turn_on",
    confidence=0.97,
    slots=[nlu_pb2.Slot(name="device", value="light", text="light", start=12, end=17, confidence=0.9)],
)
_MODEL = models_pb2.ModelVersion(name="nlu", version="2026.11.22-1a2b3c4d", rollout_revision=7)


def _onwards(event: Event, stage: stage_pb2.Stage.ValueType, topic: str, **sections: Message) -> Event:
    turn = turn_of(event)
    for name, section in sections.items():
        getattr(turn, name).CopyFrom(section)
    models = [_MODEL] if stage == stage_pb2.STAGE_NLU else []
    outgoing = forward(event, turn, stage, topic, engine_seconds=0.002, models=models)
    return event_of(topic, outgoing.body)


@dataclass
class Gateway:
    """A running gateway: its HTTP and gRPC ports, its road double, its data folder."""

    service: Service
    road: RoadDouble
    database: Database
    data_dir: Path
    http: HttpServer
    grpc: GrpcServer

    @property
    def url(self) -> str:
        """Of the HTTP API."""
        return f"http://127.0.0.1:{self.http.port}"

    @property
    def grpc_target(self) -> str:
        """Of the gRPC API."""
        return f"127.0.0.1:{self.grpc.port}"

    def client(self, user: str = "", *roles: str) -> httpx.Client:
        """An HTTP client that speaks as `user`, or without a token."""
        return httpx.Client(base_url=self.url, headers=self.authorization(user, *roles), timeout=30, trust_env=False)

    def authorization(self, user: str, *roles: str) -> dict[str, str]:
        """The header that says who speaks."""
        return {"authorization": f"Bearer {development_token(self.data_dir, user, roles)}"} if user else {}

    def deliver(self, events: Sequence[Event]) -> None:
        """Hand events to the ledger, each in a transaction, as the runtime does."""
        handler = self.service.stateful_handler
        assert handler is not None
        for event in events:
            with self.database.transaction() as session, session.begin_nested():
                assert not handler.handle(event, session)

    def travel(self, turn_id: str, conversation_id: str, **words: Any) -> list[Event]:
        """Let an accepted turn make its whole journey."""
        events = journey(turn_id, conversation_id, **words)
        self.deliver(events)
        return events


@contextmanager
def running_gateway(
    data_dir: Path, url: str = "", *, doors: bool = True, jwt: JwtSettings | None = None, **settings: Any
) -> Iterator[Gateway]:
    """A gateway on free ports over the database `url` (SQLite in `data_dir` by default); its doors open if wanted."""
    database = Database(url or f"sqlite:///{data_dir / 'gateway.sqlite3'}")
    service = assemble(
        database,
        SEAL,
        TokenVerifier(jwt or JwtSettings(), ensure_keys(data_dir).development_signing.public_key()),
        keep_audio,
        settings=GatewaySettings(**settings),
        server=ServerSettings(http_port=0, grpc_port=0),
    )
    road = RoadDouble(database)
    assert service.attach is not None
    service.attach(road)
    service.load()
    grpc_server = GrpcServer("127.0.0.1", 0, 16, lambda _name: True)
    http = next(each for each in service.background if isinstance(each, HttpServer))
    if doors:
        grpc_server.start([service])
        http.start()
    try:
        yield Gateway(service, road, database, data_dir, http, grpc_server)
    finally:
        http.stop()
        grpc_server.stop(grace=0.2)
        service.close()


def keep_audio(content: bytes) -> asr_pb2.ClaimCheck:
    """A blob store that keeps nothing."""
    return asr_pb2.ClaimCheck(uri="file:///blobs/recording", sha256="0" * 64, size_bytes=len(content))


def utterance_event(utterance: turn_pb2.Utterance, **fields: Any) -> Event:
    """An utterance some client has published straight to Kafka."""
    return event_of(UTTERANCES, utterance, **fields)
