"""How the clients speak to a broker: Apache Kafka's ways, or the embedded broker's.

The embedded broker does not wake a waiting fetch when data comes, so there the wait is short while turns flow and
long when idle. Apache Kafka wakes it, so there it is kafka-python's default.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.settings import KafkaSettings


@dataclass(frozen=True, slots=True)
class BrokerProfile:
    """What a client must know of its broker."""

    bootstrap_servers: tuple[str, ...]
    embedded: bool
    fetch_wait_ms: int  # while events flow
    idle_fetch_wait_ms: int  # after a quiet while
    session_timeout_ms: int
    idempotent_producer: bool

    @classmethod
    def of(cls, settings: KafkaSettings) -> BrokerProfile:
        """The profile of a deployment's settings: without bootstrap servers, the embedded broker's."""
        if not settings.bootstrap_servers:
            return cls(
                bootstrap_servers=(f"127.0.0.1:{settings.embedded_port}",),
                embedded=True,
                fetch_wait_ms=settings.fetch_wait_ms,
                idle_fetch_wait_ms=settings.idle_fetch_wait_ms,
                session_timeout_ms=settings.session_timeout_ms,
                idempotent_producer=False,
            )
        return cls(
            bootstrap_servers=tuple(part.strip() for part in settings.bootstrap_servers.split(",")),
            embedded=False,
            fetch_wait_ms=500,
            idle_fetch_wait_ms=500,
            session_timeout_ms=settings.session_timeout_ms,
            idempotent_producer=True,
        )
