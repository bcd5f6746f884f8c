"""Traces in tests: a collector at the edge, and a road whose stages do little but do it as the real ones do."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1 import trace_pb2
from sqlalchemy.orm import DeclarativeBase, Session

from parley.v1 import dispatch_pb2, generation_pb2, models_pb2, stage_pb2, turn_pb2
from shared.errors import Unavailable
from shared.events import Event, Outgoing, derived_id
from shared.runtime.batcher import Batcher
from shared.runtime.road import forward
from shared.runtime.service import Service
from shared.storage.database import Database
from shared.storage.journal import Journal
from shared.topology import DECISIONS, REPLIES, TASK_RESULTS, TRANSCRIPTS, UNDERSTANDINGS

NLU = models_pb2.ModelVersion(name="nlu", version="2026.11.22-1a2b3c4d")
POISON = "poison"  # conversation whose understanding fails for good
LATE = "late"  # conversation whose understanding fails once


@dataclass(frozen=True)
class Seen:
    """One span as the collector got it."""

    service: str
    name: str
    kind: str  # "CONSUMER", "PRODUCER", "SERVER", "INTERNAL"
    trace_id: str
    span_id: str
    parent_id: str  # empty: it begins its trace
    failed: bool
    attributes: Mapping[str, Any]
    events: Sequence[tuple[str, Mapping[str, Any]]]
    links: Sequence[str]  # trace ids


class OtlpCollectorDouble:
    """An OTLP/HTTP collector: reads what it is sent and keeps it, with the bytes as they came."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                found = self.path == "/v1/traces" and self.headers["content-type"] == "application/x-protobuf"
                if found:
                    collector.bodies.append(body)
                self.send_response(200 if found else 404)
                self.end_headers()
                self.wfile.write(ExportTraceServiceResponse().SerializeToString())

            def log_message(self, format: str, *args: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> OtlpCollectorDouble:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def endpoint(self) -> str:
        """Where to send to."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def spans(self) -> list[Seen]:
        """Every span so far."""
        return [
            _seen(_values(resource.resource.attributes)["service.name"], span)
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


def _seen(service: str, span: trace_pb2.Span) -> Seen:
    return Seen(
        service=service,
        name=span.name,
        kind=trace_pb2.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        failed=span.status.code == trace_pb2.Status.STATUS_CODE_ERROR,
        attributes=_values(span.attributes),
        events=[(event.name, _values(event.attributes)) for event in span.events],
        links=[link.trace_id.hex() for link in span.links],
    )


def _values(attributes: Sequence[KeyValue]) -> dict[str, Any]:
    return {each.key: _value(each.value) for each in attributes}


def _value(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_value(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


class _Base(DeclarativeBase):
    pass


_JOURNAL = Journal("dialogue", _Base.metadata)


@dataclass
class _Understand:
    """nlu: asks an engine, fails for good where the words are poison, and once where they come late."""

    engine: Batcher[str, str]
    failed: set[str] = field(default_factory=set)

    def handle(self, event: Event) -> Sequence[Outgoing]:
        turn = _copy(event)
        if turn.conversation_id == POISON:
            raise ValueError(turn.utterance.text)
        if turn.conversation_id == LATE and event.id not in self.failed:
            self.failed.add(event.id)
            raise Unavailable(f"engine: is busy with {turn.utterance.text}")
        done = self.engine.submit(turn.utterance.text)
        turn.understanding.language, turn.understanding.intent = "en", done.value
        return [
            forward(event, turn, stage_pb2.STAGE_NLU, UNDERSTANDINGS, engine_seconds=done.seconds, models=[NLU]),
        ]


class _Decide:
    """dialogue: one task, then its outcome is told."""

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        turn = _copy(event)
        if not turn.HasField("decision"):
            task = dispatch_pb2.Task(task_id=derived_id("task", event.id), action="clock.time")
            turn.decision.tasks.append(task)
            stages = [stage_pb2.STAGE_DISPATCH, stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION]
            turn.route.next.extend(stages)
        return [forward(event, turn, stage_pb2.STAGE_DIALOGUE, DECISIONS, engine_seconds=0)]


class _Reply:
    """generation: the final reply."""

    def handle(self, event: Event) -> Sequence[Outgoing]:
        turn = _copy(event)
        final = generation_pb2.Reply(kind=generation_pb2.REPLY_KIND_FINAL, text="It is.", language="en")
        turn.reply.CopyFrom(final)
        return [forward(event, turn, stage_pb2.STAGE_GENERATION, REPLIES, engine_seconds=0)]


@contextmanager
def stages(folder: Path) -> Iterator[list[Service]]:
    """nlu, dialogue and generation; dialogue with a database in `folder`."""
    database = Database(f"sqlite:///{folder / 'dialogue.sqlite3'}")
    _Base.metadata.create_all(database.engine)
    engine: Batcher[str, str] = Batcher(lambda texts: ["ask_time" for _ in texts], name="nlu")
    try:
        yield [
            Service("nlu", stage_pb2.STAGE_NLU, (TRANSCRIPTS,), handler=_Understand(engine)),
            Service(
                "dialogue",
                stage_pb2.STAGE_DIALOGUE,
                (UNDERSTANDINGS, TASK_RESULTS),
                stateful_handler=_Decide(),
                database=database,
                journal=_JOURNAL,
                close=database.close,
            ),
            Service("generation", stage_pb2.STAGE_GENERATION, (DECISIONS,), handler=_Reply()),
        ]
    finally:
        engine.close()


def _copy(event: Event) -> turn_pb2.Turn:
    turn = turn_pb2.Turn()
    assert isinstance(event.body, turn_pb2.Turn)
    turn.CopyFrom(event.body)
    return turn
