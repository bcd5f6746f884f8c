"""How the clients speak to a broker: Apache Kafka's ways, or the embedded broker's.

The embedded broker does not wake a waiting fetch when data comes, so there the wait is short while turns flow and
long when idle. Apache Kafka wakes it, so there it is kafka-python's default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.bus.security import security_of
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
    security: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)  # TLS and SASL

    @property
    def connection(self) -> dict[str, Any]:
        """Keyword arguments that every client needs to reach the broker."""
        return {"bootstrap_servers": list(self.bootstrap_servers), **self.security}

    @classmethod
    def of(cls, settings: KafkaSettings) -> BrokerProfile:
        """The profile of a deployment's settings: without bootstrap servers, the embedded broker's."""
        if not settings.bootstrap_servers:
            security_of(settings)  # says so where there is any
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
            security=security_of(settings),
        )
