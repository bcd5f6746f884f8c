"""Events inside the process: what a handler receives and what it sends."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from google.protobuf.message import Message

# Namespace of every deterministic id; never change it, or reprocessed events get new identities.
NAMESPACE = uuid.UUID("6f1c8a52-5d0e-5b0c-9a57-0d0a3a0f7c11")


def derived_id(*parts: str) -> str:
    """A UUID that depends on `parts` alone: the same work done twice has the same id."""
    return str(uuid.uuid5(NAMESPACE, "\x1f".join(parts)))


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it came off a topic, read and checked."""

    topic: str
    partition: int
    offset: int
    key: str
    id: str  # ce_id; for a client's event derived from ce_source and ce_id, which are unique only together
    type: str  # ce_type
    source: str  # ce_source
    time: datetime  # ce_time, aware
    body: Message  # the topic's message class
    headers: Mapping[str, str] = field(default_factory=dict)  # all headers, ce_* included
    received_at: float = 0.0  # Unix seconds at which this process fetched it


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One event to send. Its id is derived from the event that caused it, the topic and `discriminator`."""

    topic: str
    key: str
    body: Message
    discriminator: str = ""  # tells apart several events that one cause sends to one topic
    headers: Mapping[str, str] = field(default_factory=dict)  # added to the ones that travel with the cause
    # The event this one answers, where that is another than the one being handled: one that waited for its turn.
    cause: Event | None = None
