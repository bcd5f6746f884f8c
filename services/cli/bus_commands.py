"""Commands that speak to the broker itself: publish, tail."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf import json_format
from google.protobuf.message import Message
from kafka import KafkaConsumer
from kafka.errors import KafkaError

from parley.v1 import turn_pb2
from services.cli.output import errors_shown, out
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, check, decode, encode
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.errors import InvalidEvent, InvalidInput, Unavailable
from shared.events import Event, Outgoing
from shared.runtime import logs
from shared.settings import KafkaSettings, LogSettings
from shared.topology import DEAD_LETTERS, ROAD, TOPICS, UTTERANCES

_AUDIO = {".wav", ".flac", ".ogg", ".mp3"}
_INLINE_LIMIT = 512 * 1024  # bytes; larger recordings go through the gateway, which keeps them outside the event


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    logs.configure(LogSettings(level="warning"))  # standard output is for what was asked for
    app.command()(publish)
    app.command()(tail)


def publish(
    files: Annotated[list[Path], typer.Argument(help="JSON, JSON Lines, or (for utterances) recordings")],
    topic: Annotated[str, typer.Option(help="An entry topic")] = UTTERANCES,
    locale: Annotated[str, typer.Option(help="Locale of recordings")] = "",
) -> None:
    """Publish events straight to Kafka, as any client could. Prints the id of each."""
    with errors_shown():
        declared = TOPICS.get(topic)
        if declared is None or not declared.entry or declared.body is None:
            entries = ", ".join(name for name, each in TOPICS.items() if each.entry)
            raise InvalidInput("--topic", topic, f"is no entry topic; use one of {entries}")
        bodies = [body for file in files for body in _read(file, declared.body, locale)]
        producer = Producer(BrokerProfile.of(KafkaSettings.load()))
        codecs = Codecs()
        for body in bodies:
            event_id = str(uuid.uuid4())
            key = getattr(body, "conversation_id", "") or event_id
            wire = encode(Outgoing(topic, key, body), source="cli", cause_id=event_id, inherited={}, codecs=codecs)
            producer.send([Wire(topic, key, {**wire.headers, "ce_id": event_id}, wire.body)])
            typer.echo(event_id)
        producer.close()


def tail(
    topic: Annotated[str, typer.Argument(help="A topic; default: every topic on the road")] = "",
    from_start: Annotated[bool, typer.Option(help="Begin at the oldest event")] = False,
    limit: Annotated[int, typer.Option(min=0, help="Stop after so many events; 0: never")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False,
) -> None:
    """Watch events go by."""
    with errors_shown():
        if topic and topic not in TOPICS:
            raise InvalidInput("TOPIC", topic, f"is unknown; use one of {', '.join(TOPICS)}")
        for shown, record in enumerate(_records([topic] if topic else [*ROAD, DEAD_LETTERS], from_start), 1):
            _show(record, as_json)
            if shown == limit:
                return


def _read(file: Path, kind: type[Message], locale: str) -> Iterator[Message]:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise InvalidInput("FILE", str(file), f"cannot be read ({error.strerror}); name a file") from error
    if file.suffix.lower() in _AUDIO and kind is turn_pb2.Utterance:
        if len(content) > _INLINE_LIMIT:
            raise InvalidInput("FILE", f"{file} ({len(content)} bytes)", "is over 512 KiB; use `parley say --audio`")
        utterance = turn_pb2.Utterance(locale=locale)
        utterance.audio.data = content
        yield utterance
        return
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InvalidInput("FILE", str(file), "is not UTF-8 text; publish JSON, JSON Lines or a recording") from error
    lines = text.splitlines() if file.suffix == ".jsonl" else [text]
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        body = kind()
        try:
            json_format.Parse(line, body)
            check(body)
        except (json_format.ParseError, InvalidEvent) as error:
            raise InvalidInput("FILE", f"{file}:{number}", f"is no {kind.DESCRIPTOR.full_name}: {error}") from error
        yield body


def _records(topics: list[str], from_start: bool) -> Iterator[Fetched]:
    profile = BrokerProfile.of(KafkaSettings.load())
    try:
        consumer = KafkaConsumer(
            *topics,
            **profile.connection,
            group_id=None,
            auto_offset_reset="earliest" if from_start else "latest",
            allow_auto_create_topics=False,
            bootstrap_timeout_ms=5000,
        )
        while True:
            for record in consumer:
                yield Fetched(
                    record.topic,
                    record.partition,
                    record.offset,
                    record.key,
                    record.headers,
                    record.value,
                    record.timestamp,
                    time.time(),
                )
    except KafkaError as error:
        raise Unavailable(
            f"kafka.bootstrap_servers: no broker answers at {', '.join(profile.bootstrap_servers)}; start `parley up`"
        ) from error


def _show(record: Fetched, as_json: bool) -> None:
    headers = {name: value.decode("utf-8", "backslashreplace") for name, value in record.headers}
    place = {"topic": record.topic, "partition": record.partition, "offset": record.offset}
    body: object = {"bytes": len(record.body or b"")}
    event: Event | None = None
    try:
        event = decode(record, Codecs())
        body = json_format.MessageToDict(event.body, preserving_proto_field_name=True)
    except InvalidEvent as error:
        body = {"unreadable": str(error), "bytes": len(record.body or b"")}
    if as_json:
        typer.echo(json.dumps({**place, "headers": headers, "body": body}, ensure_ascii=False))
        return
    key = (record.key or b"").decode("utf-8", "backslashreplace")
    name = record.topic.removeprefix("parley.")
    turn_id = getattr(event.body, "turn_id", "") if event else headers.get("parley-dead-error", "")
    out.print(f"{name:<16} {record.partition}/{record.offset:<6} {key:<38} {turn_id}", markup=False)
