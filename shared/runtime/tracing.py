"""Traces: one W3C trace from the utterance through every stage to the reply and the task.

Where no endpoint is set nothing is recorded, and an event's effects inherit its `traceparent` as it came. Where one is
set every event, request and task is a span, and the next stage's parent is the span of the stage before. Spans hold
ids, places, versions and classes of errors; never a user's words, names or tokens.

https://www.w3.org/TR/trace-context/, https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Protocol

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, Tracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.events import Outgoing
from shared.settings import TracingSettings

Attributes = Mapping[str, str | int | float]

HEADERS = ("traceparent", "tracestate")
TURN = "parley.turn.id"
CONVERSATION = "parley.conversation.id"
STAGE = "parley.stage"
OUTCOME = "parley.outcome"
ATTEMPTS = "parley.attempts"
MODELS = "parley.model.version"  # "name@version" of every model that worked on it
ERROR = "error.type"

_LONGEST_TRACESTATE = 512  # characters; the specification asks for no more
_TRACEPARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_PROPAGATOR = TraceContextTextMapPropagator()
_SERVICE = context.create_key("parley-service")


class Export(Protocol):
    """Where spans go."""

    def tracer(self, service: str) -> Tracer: ...

    def close(self) -> None: ...


_export: Export | None = None  # of the process, like its logs and its metrics


@contextmanager
def exported(settings: TracingSettings) -> Iterator[None]:
    """Export the spans of this process while the block runs; where no endpoint is set, change nothing."""
    global _export  # noqa: PLW0603 - one of a kind in a process
    if not settings.otlp_endpoint:
        yield
        return
    from shared.runtime.trace_export import OtlpExport  # the SDK, only where it is asked for

    export, before = OtlpExport(settings), _export
    _export = export
    try:
        yield
    finally:
        _export = before
        export.close()


def exporting() -> bool:
    """Whether spans go anywhere."""
    return _export is not None


def start(
    service: str,
    operation: str,
    kind: SpanKind,
    headers: Mapping[str, str],
    attributes: Attributes,
    links: Sequence[Link] = (),
) -> Span:
    """A span of messaging, `"<service> <operation>"`: of the trace in `headers`, else of a new one."""
    described = {STAGE: service, "messaging.operation.name": operation, "messaging.operation.type": operation}
    parent = _PROPAGATOR.extract(headers, Context())
    return _tracer(service).start_span(f"{service} {operation}", parent, kind, {**described, **attributes}, links)


def created(service: str, outgoing: Outgoing, headers: Mapping[str, str]) -> dict[str, str]:
    """`headers` of an event that is not caused by what goes on here alone, with the span of its creation as parent.

    That span belongs to the trace in `headers`, else to what goes on here, else it starts a trace. Where it belongs
    elsewhere, what goes on here is linked.
    """
    if _export is None:
        return with_parent(headers, None)
    here = trace.get_current_span()
    away = trace_id_of(headers)
    joined = headers if away else with_parent({}, here)
    links = [Link(here.get_span_context())] if away and here.get_span_context().is_valid else []
    span = start(service, "create", SpanKind.PRODUCER, joined, {**place(outgoing.topic), **ids(outgoing.body)}, links)
    span.end()
    return with_parent(headers, span)


@contextmanager
def serving(service: str, name: str, carrier: Mapping[str, str], attributes: Attributes) -> Iterator[Span]:
    """The span of a request: a child of the client's where its `carrier` (headers, metadata) names one.

    Whether it failed is its caller's to say (`mark_failed`): a request that is refused has not.
    """
    if _export is None:
        yield trace.INVALID_SPAN
        return
    parent = _PROPAGATOR.extract(carrier, Context())
    attributes = {STAGE: service, **attributes}
    with _current(_tracer(service).start_span(name, parent, SpanKind.SERVER, attributes), service) as span:
        yield span


@contextmanager
def child(name: str, attributes: Attributes) -> Iterator[Span]:
    """The span of a part of what goes on here (a task, an engine call); nothing where no span is current."""
    service = context.get_value(_SERVICE)
    if _export is None or not isinstance(service, str):
        yield trace.INVALID_SPAN
        return
    with _current(_tracer(service).start_span(name, attributes=attributes), service) as span:
        try:
            yield span
        except Exception as error:
            mark_failed(span, type(error).__name__)
            raise


def passed_on(carrier: Mapping[str, str]) -> dict[str, str]:
    """The headers of the trace that goes on here, which is the one `carrier` names where spans go nowhere."""
    named = {name: carrier[name] for name in HEADERS if name in carrier}
    return with_parent(named, trace.get_current_span())


def trace_id_of(headers: Mapping[str, str]) -> str:
    """The trace that headers name; empty where they name none that is valid."""
    named = _TRACEPARENT.fullmatch(headers.get("traceparent", ""))
    return named[1] if named else ""


def with_parent(headers: Mapping[str, str], span: Span | None) -> dict[str, str]:
    """A copy of `headers` that names `span`, else the parent it named, where that was a valid one."""
    carried = dict(headers)
    if span is not None and span.get_span_context().is_valid:
        carried.pop("tracestate", None)
        _PROPAGATOR.inject(carried, trace.set_span_in_context(span, Context()))
    elif not trace_id_of(carried):
        carried.pop("traceparent", None)
        carried.pop("tracestate", None)
    elif len(carried.get("tracestate", "")) > _LONGEST_TRACESTATE:
        del carried["tracestate"]
    return carried


def within(span: Span, service: str) -> Context:
    """What goes on here, with `span` current."""
    return context.set_value(_SERVICE, service, trace.set_span_in_context(span))


def mark_failed(span: Span, error_type: str, *, ours: bool = True) -> None:
    """Record an error by its class alone: its text may hold a user's words. `ours`: not the caller's mistake."""
    span.set_attribute(ERROR, error_type)
    if ours:
        span.set_status(Status(StatusCode.ERROR))


def names(span: Span) -> Iterator[tuple[str, str]]:
    """How log lines name a span; nothing where it is none."""
    where = span.get_span_context()
    if where.is_valid:
        yield "trace_id", trace.format_trace_id(where.trace_id)
        yield "span_id", trace.format_span_id(where.span_id)


def ids(body: object) -> dict[str, str]:
    """The ids in a message, which are checked against its contract: no free text."""
    fields = ((TURN, "turn_id"), (CONVERSATION, "conversation_id"))
    return {attribute: value for attribute, field in fields if (value := getattr(body, field, ""))}


def place(topic: str, partition: int | None = None, offset: int | None = None) -> dict[str, str | int]:
    """Where an event is."""
    found: dict[str, str | int] = {"messaging.system": "kafka", "messaging.destination.name": topic}
    if partition is not None and offset is not None:
        found |= {"messaging.destination.partition.id": str(partition), "messaging.kafka.offset": offset}
    return found


def _tracer(service: str) -> Tracer:
    return _export.tracer(service) if _export is not None else trace.NoOpTracer()


@contextmanager
def _current(span: Span, service: str) -> Iterator[Span]:
    outside = context.attach(within(span, service))
    try:
        yield span
    finally:
        context.detach(outside)
        span.end()
