"""One event in the hands of one service: its span, what its effects inherit, and what log lines say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind

from parley.v1 import turn_pb2
from shared.events import Event, Outgoing
from shared.runtime import tracing

HANDLED, SEEN, DEAD_LETTERED, LEFT = "handled", "seen", "dead_lettered", "left"


class Handling:
    """One event, one service.

    Each `with` makes it the current one, of span, log lines and `tracing.child` alike; there may be several, one after
    the other, in one thread. `end` closes the span: as `left` to another replica where nothing else was settled.
    """

    __slots__ = ("_attempts", "_error", "_event", "_here", "_models", "_outcome", "_outside", "_service", "_span")

    def __init__(self, service: str, event: Event) -> None:
        self._service = service
        self._event = event
        self._span: Span | None = None
        self._outcome = LEFT
        self._error: BaseException | None = None
        self._attempts = 1
        self._models: tuple[str, ...] = ()
        self._here: Token[Handling | None] | None = None
        self._outside: Token[Context] | None = None

    def __enter__(self) -> Handling:
        if self._span is None and tracing.exporting():
            event = self._event
            place = tracing.place(event.topic, event.partition, event.offset)
            self._span = _process(self._service, event.headers, {**place, **tracing.ids(event.body)})
        if self._span is not None:
            self._outside = context.attach(tracing.within(self._span, self._service))
        self._here = _handling.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        if self._here is not None:
            _handling.reset(self._here)
        if self._outside is not None:
            context.detach(self._outside)
        self._here = self._outside = None

    def inherited(self, headers: Mapping[str, str]) -> dict[str, str]:
        """`headers`, which travel from the event to its effects, with this span as the effects' parent."""
        return tracing.with_parent(headers, self._span)

    def sent(self, effects: Sequence[Outgoing]) -> None:
        """What the handler made of it: tells which models answered, and the ids of the turn that it opened."""
        if self._span is None or not self._span.is_recording():
            return
        for turn in (outgoing.body for outgoing in effects if outgoing.cause is None):
            if isinstance(turn, turn_pb2.Turn) and turn.route.visits:
                self._models = tuple(f"{model.name}@{model.version}" for model in turn.route.visits[-1].models)
                if not getattr(self._event.body, "turn_id", ""):
                    self._span.set_attributes(tracing.ids(turn))

    def retried(self, error: BaseException) -> None:
        """It is tried again."""
        self._attempts += 1
        if self._span is not None:
            self._span.add_event("retry", {tracing.ERROR: type(error).__name__})

    def settled(self, outcome: str, error: BaseException | None = None) -> None:
        """How it ended, as far as is known now."""
        self._outcome, self._error = outcome, error

    def end(self) -> None:
        """Close the span."""
        span = self._span
        if span is None:
            return
        if span.is_recording():
            span.set_attributes({tracing.OUTCOME: self._outcome, tracing.ATTEMPTS: self._attempts})
            if self._models:
                span.set_attribute(tracing.MODELS, self._models)
            if self._error is not None:
                tracing.mark_failed(span, type(self._error).__name__)
        span.end()

    def fields(self) -> Iterator[tuple[str, str]]:
        """What log lines say of it."""
        if self._span is not None:
            yield from tracing.names(self._span)
        elif trace_id := tracing.trace_id_of(self._event.headers):
            yield "trace_id", trace_id
        for field in ("turn_id", "conversation_id"):
            if value := getattr(self._event.body, field, ""):
                yield field, value


_handling: ContextVar[Handling | None] = ContextVar("parley_handling", default=None)


def refused(
    service: str, topic: str, partition: int, offset: int, headers: Mapping[str, str], error: Exception
) -> None:
    """The span of a record that nobody can read."""
    if not tracing.exporting():
        return
    span = _process(service, headers, tracing.place(topic, partition, offset))
    span.set_attribute(tracing.OUTCOME, DEAD_LETTERED)
    tracing.mark_failed(span, type(error).__name__)
    span.end()


def add_fields(_logger: Any, _method: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: names the trace, and the turn being handled, in every line."""
    handling = _handling.get()
    for name, value in handling.fields() if handling is not None else tracing.names(trace.get_current_span()):
        fields.setdefault(name, value)
    return fields


def _process(service: str, headers: Mapping[str, str], attributes: tracing.Attributes) -> Span:
    return tracing.start(service, "process", SpanKind.CONSUMER, headers, attributes)
