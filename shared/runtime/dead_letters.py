"""Events given up: the original bytes and headers, and why.

What became of a letter stands on the same topic: a record without a body that settles it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from shared.bus.envelope import Fetched, Wire
from shared.events import derived_id
from shared.storage.journal import Stored
from shared.topology import DEAD_LETTERS

PREFIX = "parley-dead-"

STAGE = "parley-dead-stage"
TOPIC = "parley-dead-topic"
PARTITION = "parley-dead-partition"
OFFSET = "parley-dead-offset"
TIMESTAMP = "parley-dead-timestamp"  # of the original record, in milliseconds
ERROR = "parley-dead-error"
DETAIL = "parley-dead-detail"
ATTEMPTS = "parley-dead-attempts"
AT = "parley-dead-at"
ID = "parley-dead-id"
CUT = "parley-dead-cut"  # size in bytes of a body that was left out, for the letter was larger than the broker takes
ORIGINAL = "parley-dead-original-"  # before the name of an original header that looks like one of these

SETTLES = "parley-dead-settles"  # the id of the letter that this record says is settled
SETTLEMENT = "parley-dead-settlement"  # what became of it
BY = "parley-dead-by"
REDRIVE_OF = "parley-redrive-of"  # on an event that is sent again: the letter it was, by which a new failure joins it


def dead_letter(record: Fetched, *, stage: str, error: Exception, attempts: int) -> Wire:
    """The dead letter of a record. Its id is the same however often the record is given up by the same stage.

    Headers and key are text to us and may be any bytes to others: `surrogateescape` keeps those bytes as they are.
    """
    headers = {_kept(name): (value or b"").decode("utf-8", "surrogateescape") for name, value in record.headers}
    place = (record.topic, str(record.partition), str(record.offset))
    headers |= _reasons(stage, error, attempts) | {
        ID: derived_id(stage, *place, str(record.timestamp_ms)),
        TOPIC: record.topic,
        PARTITION: str(record.partition),
        OFFSET: str(record.offset),
        TIMESTAMP: str(record.timestamp_ms),
    }
    key = (record.key or b"").decode("utf-8", "surrogateescape")
    return Wire(topic=DEAD_LETTERS, key=key, headers=headers, body=record.body or b"")


def unsendable(stored: Stored, *, stage: str, error: Exception) -> Wire:
    """The dead letter of an event that was to be sent and that the broker will never take."""
    letter_id = derived_id(stage, "outbox", stored.headers.get("ce_id", str(stored.id)))
    headers = {**stored.headers, **_reasons(stage, error, 1), ID: letter_id, TOPIC: stored.topic}
    return Wire(topic=DEAD_LETTERS, key=stored.key, headers=headers, body=stored.body)


def abandoned(wire: Wire, *, stage: str, error: Exception, attempts: int) -> Wire:
    """The dead letter of an event that was sent, more than once, and brought nothing."""
    headers = {**wire.headers, **_reasons(stage, error, attempts)}
    headers |= {ID: derived_id(stage, "abandoned", wire.headers["ce_id"]), TOPIC: wire.topic}
    return Wire(topic=DEAD_LETTERS, key=wire.key, headers=headers, body=wire.body)


def cut(letter: Wire) -> Wire:
    """`letter` without what makes it large: where the original is and why it was given up."""
    reasons = {
        name: value
        for name, value in letter.headers.items()
        if name.startswith(PREFIX) and not name.startswith(ORIGINAL)
    }
    return Wire(letter.topic, letter.key[:200], {**reasons, CUT: str(len(letter.body))}, b"")


def settlement(letter_id: str, key: str, what: str, by: str) -> Wire:
    """The record that settles a letter: `what` became of it ("redriven", "discarded"), and who saw to it."""
    headers = {SETTLES: letter_id, SETTLEMENT: what, BY: by, AT: datetime.now(UTC).isoformat()}
    return Wire(topic=DEAD_LETTERS, key=key, headers=headers, body=b"")


def original_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers an event had before it became a letter."""
    return {
        name.removeprefix(ORIGINAL): value
        for name, value in headers.items()
        if name.startswith(ORIGINAL) or not name.startswith(PREFIX)
    }


def _kept(name: str) -> str:
    """The name under which an original header is kept: nobody's own headers may say why an event was given up."""
    return ORIGINAL + name if name.lower().startswith(PREFIX) else name


def _reasons(stage: str, error: Exception, attempts: int) -> dict[str, str]:
    return {
        STAGE: stage,
        ERROR: type(error).__name__,
        DETAIL: str(error)[:2000],
        ATTEMPTS: str(attempts),
        AT: datetime.now(UTC).isoformat(),
    }
