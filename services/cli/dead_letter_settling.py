"""Sending dead letters again, or discarding them, and saying so on their topic for every operator to see."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable, Iterator, Sequence

from services.cli.dead_letters import Letter, attempt_id
from shared.bus.envelope import Fetched, Wire, id_of_place
from shared.bus.producer import Producer, RecordsTooLarge
from shared.bus.profile import BrokerProfile
from shared.bus.snapshot import read_all
from shared.runtime.dead_letters import REDRIVE_OF, settlement
from shared.topology import DEAD_LETTERS, REPLIES

REDRIVEN = "redriven"
DISCARDED = "discarded"
_AT_ONCE = 100  # letters
_BYTES_AT_ONCE = 4 * 1024 * 1024


def redrive(
    profile: BrokerProfile, producer: Producer, letters: Sequence[Letter], by: str
) -> Iterator[tuple[Letter, str]]:
    """Send events back to their topics; yields each letter once that is settled, with what kept it from being sent.

    Events of a conversation go in the order in which they were given up. An event is sent before its letter is settled:
    whoever is interrupted in between sends it twice, and the second time changes nothing. Raises Unavailable.
    """
    wanted = {}
    for letter in letters:
        if letter.obstacle:
            yield letter, letter.obstacle
        else:
            wanted[letter.latest.id] = letter
    for some in _batches(_with_bodies(profile, wanted)):
        refused = _send(producer, [sent_again(letter, body) for letter, body in some])
        sent = [letter for index, (letter, _) in enumerate(some) if index not in refused]
        producer.send(_settlements(sent, REDRIVEN, by))
        for index, (letter, _) in enumerate(some):
            yield letter, f"{letter.latest.topic} does not take a record so large" if index in refused else ""
    for letter in wanted.values():
        yield letter, "it is no longer on the topic"


def discard(producer: Producer, letters: Sequence[Letter], by: str) -> Iterator[tuple[Letter, str]]:
    """Settle letters without sending anything again; yields each as `redrive` does. Raises Unavailable."""
    for begin in range(0, len(letters), _AT_ONCE):
        some = letters[begin : begin + _AT_ONCE]
        producer.send(_settlements(some, DISCARDED, by))
        yield from ((letter, "") for letter in some)


def body_of(profile: BrokerProfile, letter: Letter) -> bytes:
    """The bytes the event had; empty where they are no longer on the topic."""
    return next((body for _, body in _with_bodies(profile, {letter.latest.id: letter})), b"")


def original(letter: Letter, body: bytes) -> Fetched:
    """The event as it stood on its topic."""
    attempt = letter.latest
    return Fetched(
        topic=attempt.topic,
        partition=attempt.partition or 0,
        offset=attempt.offset or 0,
        key=attempt.key.encode("utf-8", "surrogateescape"),
        headers=[(name, value.encode("utf-8", "surrogateescape")) for name, value in attempt.headers.items()],
        body=body,
        timestamp_ms=attempt.timestamp_ms or 0,
        received_at=0.0,
    )


def sent_again(letter: Letter, body: bytes) -> Wire:
    """The record that sends the event to its topic once more, with the identity it had."""
    attempt = letter.latest
    headers = {**attempt.headers, REDRIVE_OF: letter.id}
    if attempt.timestamp_ms is not None and not any(name.lower() == "ce_id" for name in headers):
        # A client that gave no id is known by the place of its record, and the new place is another.
        headers["ce_id"] = id_of_place(original(letter, body))
    # The key decides the partition; but a reply goes to the gateway that waits for it.
    partition = attempt.partition if attempt.topic == REPLIES else None
    return Wire(attempt.topic, attempt.key, headers, body, partition)


def operator() -> str:
    """Who is at the keyboard, as far as the machine can tell."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container that runs under a bare number
        name = "unknown"
    return f"{name}@{socket.gethostname()}"


def _with_bodies(profile: BrokerProfile, wanted: dict[str, Letter]) -> Iterator[tuple[Letter, bytes]]:
    """Letters with their bodies, in the topic's order; what is found is taken out of `wanted`."""
    if not wanted:
        return
    for record in read_all(profile, DEAD_LETTERS):
        letter = wanted.pop(attempt_id(record), None)
        if letter is not None:
            yield letter, record.body or b""
        if not wanted:
            return


def _batches(letters: Iterable[tuple[Letter, bytes]]) -> Iterator[list[tuple[Letter, bytes]]]:
    batch: list[tuple[Letter, bytes]] = []
    size = 0
    for letter, body in letters:
        batch.append((letter, body))
        size += len(body)
        if len(batch) == _AT_ONCE or size > _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _send(producer: Producer, records: Sequence[Wire]) -> set[int]:
    """Send; returns the indices of what the broker does not take. Raises Unavailable."""
    try:
        producer.send(records)
    except RecordsTooLarge as error:
        return set(error.indices)
    return set()


def _settlements(letters: Iterable[Letter], what: str, by: str) -> list[Wire]:
    return [
        settlement(attempt.id, attempt.key, what, by)
        for letter in letters
        for attempt in letter.unsettled or [letter.latest]
    ]
