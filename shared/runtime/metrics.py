"""What the runtime measures, for Prometheus. Labels are bounded: services, topics, classes; never a user's words."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)

EVENTS = Counter("parley_events", "Events handled, by how it ended", ("service", "topic", "outcome"))
HANDLE_SECONDS = Histogram(
    "parley_event_handle_seconds", "Time a handler took for one event", ("service",), buckets=_SECONDS
)
WAIT_SECONDS = Histogram(
    "parley_event_wait_seconds", "Time an event waited in the process", ("service",), buckets=_SECONDS
)
ENGINE_SECONDS = Histogram("parley_engine_seconds", "Time of one engine call", ("engine",), buckets=_SECONDS)
ENGINE_BATCH = Histogram(
    "parley_engine_batch_size", "Requests served by one engine call", ("engine",), buckets=(1, 2, 4, 8, 16, 32, 64)
)
ENGINE_WAITING = Gauge("parley_engine_waiting_requests", "Requests that wait for an engine", ("engine",))
RETRIES = Counter("parley_event_retries", "Times an event was tried again", ("service", "error_class"))
DEAD_LETTERS = Counter("parley_dead_letters", "Events given up", ("service", "error_class"))
OUTBOX_RELAYED = Counter("parley_outbox_relayed", "Outbox events a relay sent after a crash", ("service",))
OUTBOX_AGE = Gauge("parley_outbox_age_seconds", "Age of the oldest event a service has not sent yet", ("service",))
LANES_WAITING = Gauge("parley_lane_waiting_events", "Events fetched and not yet handled", ("service",))
CONSUMER_LAG = Gauge("parley_consumer_lag_events", "Events on the broker not yet fetched", ("group", "topic"))
READY = Gauge("parley_service_ready", "1 where the service is loaded and consuming", ("service",))
RPC_SECONDS = Histogram("parley_rpc_seconds", "Time of one RPC", ("method", "code"), buckets=_SECONDS)


def observe_engine(name: str, size: int, seconds: float) -> None:
    """Record one engine call."""
    ENGINE_SECONDS.labels(name).observe(seconds)
    ENGINE_BATCH.labels(name).observe(size)
