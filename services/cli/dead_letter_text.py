"""How dead letters look on a terminal and as JSON. What strangers wrote cannot steer the terminal it is shown on."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format

from services.cli.dead_letter_settling import original
from services.cli.dead_letters import Attempt, Letter
from shared.bus.codec import Codecs
from shared.bus.envelope import decode
from shared.errors import InvalidEvent

OPEN = "open"


def line(letter: Letter, state: str = "") -> str:
    """One letter in one line; `state`: what has just become of it."""
    latest = letter.latest
    times = f"{len(letter.attempts)}x"
    cells = (
        f"{letter.id:<36}",
        f"{latest.at:%Y-%m-%d %H:%M:%S}",
        f"{state or _state(letter):<9}",
        f"{latest.stage:<10}",
        f"{latest.topic.removeprefix('parley.'):<14}",
        f"{times:>3}",
        f"{latest.error:<16}",
        latest.key,
    )
    return " ".join(printable(cell) for cell in cells)


def describe(letter: Letter) -> str:
    """All of a letter but its body: what was added when it was given up, then the event's own headers."""
    latest = letter.latest
    place = "" if latest.offset is None else f", partition {latest.partition}, offset {latest.offset}"
    rows = {
        "id": letter.id,
        "state": _state(letter),
        "stage": latest.stage,
        "topic": latest.topic + place,
        "conversation": latest.key,
        "body": f"{latest.size} bytes{', left out' if latest.cut else ''}",
    }
    parts = [f"{name:<13} {printable(value)}" for name, value in rows.items()]
    for attempt in letter.attempts:
        parts.append(
            f"\ngiven up      {attempt.at.isoformat(timespec='seconds')}, tried {attempt.tries}x, {attempt.id}"
        )
        parts.append(f"              {printable(f'{attempt.error}: {attempt.detail}')}")
        if settled := letter.settlements.get(attempt.id):
            parts.append(f"              {printable(f'{settled.what} {settled.at} by {settled.by}')}")
    parts.append("\nits own headers")
    parts.extend(f"  {printable(name)}: {printable(value)}" for name, value in latest.headers.items())
    return "\n".join(parts)


def as_object(letter: Letter, *, whole: bool = False) -> dict[str, Any]:
    """A letter for JSON; `whole` with its attempts and its own headers."""
    latest = letter.latest
    shown: dict[str, Any] = {
        "id": letter.id,
        "state": _state(letter),
        "stage": latest.stage,
        "topic": latest.topic,
        "partition": latest.partition,
        "offset": latest.offset,
        "conversation": latest.key,
        "error": latest.error,
        "at": latest.at.isoformat(),
        "attempts": len(letter.attempts),
        "bytes": latest.size,
        "cut": latest.cut,
    }
    if whole:
        shown["given_up"] = [_attempt_object(letter, attempt) for attempt in letter.attempts]
        shown["headers"] = dict(latest.headers)
    return shown


def body_object(letter: Letter, body: bytes) -> dict[str, Any]:
    """A body for JSON: its fields where it can be read, else its bytes in base64."""
    fields = _fields(letter, body)
    return {"body_base64": base64.b64encode(body).decode()} if fields is None else {"body": fields}


def body_text(letter: Letter, body: bytes) -> str:
    """A body for a terminal: its fields where it can be read, else its bytes as text."""
    fields = _fields(letter, body)
    if fields is None:
        return printable(body.decode("utf-8", "backslashreplace"))
    return printable(json.dumps(fields, ensure_ascii=False, indent=2), keep="\n")


def json_line(shown: Mapping[str, Any]) -> str:
    """One object in one line; bytes that are no UTF-8 become lone surrogates, as JSON writes them."""
    return json.dumps(shown, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def printable(text: str, keep: str = "") -> str:
    """`text` with everything escaped that is no sign to read: control codes, and bytes that are no UTF-8."""
    clean = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(
        sign if sign.isprintable() or sign in keep else sign.encode("unicode_escape").decode() for sign in clean
    )


def _fields(letter: Letter, body: bytes) -> dict[str, Any] | None:
    try:
        event = decode(original(letter, body), Codecs())
    except InvalidEvent:
        return None
    return json_format.MessageToDict(event.body, preserving_proto_field_name=True)


def _state(letter: Letter) -> str:
    return letter.settlement.what if letter.settlement else OPEN


def _attempt_object(letter: Letter, attempt: Attempt) -> dict[str, Any]:
    settled = letter.settlements.get(attempt.id)
    return {
        "id": attempt.id,
        "at": attempt.at.isoformat(),
        "error": attempt.error,
        "detail": attempt.detail,
        "tries": attempt.tries,
        "settlement": {"what": settled.what, "at": settled.at, "by": settled.by} if settled else None,
    }
