"""Dead letters as an operator sees them: what was given up, how often, and what became of it.

The topic holds a record for each time that an event was given up (an attempt, known by the id in its headers) and one
for each attempt that somebody settled. An event that is sent again names the letter it was, so when it fails again that
is a further attempt of the same letter. Neither the order of the records matters nor how often each one stands there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.bus.envelope import Fetched
from shared.errors import InvalidInput, NotFound
from shared.events import derived_id
from shared.runtime import dead_letters as headers_of
from shared.topology import DEAD_LETTERS, TOPICS


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of an attempt, who saw to it, and when."""

    what: str
    by: str
    at: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """One time that an event was given up; the body itself is not kept, for a topic of them may be large."""

    id: str
    at: datetime
    stage: str
    topic: str
    partition: int | None
    offset: int | None
    timestamp_ms: int | None
    key: str
    error: str
    detail: str
    tries: int
    size: int  # bytes of the body
    cut: bool  # the body was left out
    digest: bytes
    redrive_of: str
    headers: Mapping[str, str]  # the event's own

    def same_event(self, other: Attempt) -> bool:
        """Whether both are one event at one stage: what a header says of another letter may be anybody's word."""
        mine = (self.stage, self.topic, self.key, self.digest)
        return mine == (other.stage, other.topic, other.key, other.digest)


@dataclass(frozen=True, slots=True)
class Letter:
    """One event that was given up, once or again after it was sent again."""

    id: str
    attempts: Sequence[Attempt]  # oldest first
    settlements: Mapping[str, Settlement]  # by the attempt's id

    @property
    def latest(self) -> Attempt:
        """The last time it was given up."""
        return self.attempts[-1]

    @property
    def unsettled(self) -> list[Attempt]:
        """Attempts nobody has seen to yet."""
        return [attempt for attempt in self.attempts if attempt.id not in self.settlements]

    @property
    def settlement(self) -> Settlement | None:
        """What became of it; None while it waits for somebody."""
        return None if self.unsettled else self.settlements[self.latest.id]

    @property
    def obstacle(self) -> str:
        """Why it cannot be sent again; empty where it can."""
        topic = TOPICS.get(self.latest.topic)
        if self.latest.cut:
            return f"its body of {self.latest.size} bytes was left out, for the broker does not take so much"
        if topic is None or topic.body is None:
            return f"it came from {self.latest.topic or 'nowhere'}, which is no topic of events"
        return ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; what is empty is not looked at."""

    ids: frozenset[str] = frozenset()
    stage: str = ""
    topic: str = ""
    error: str = ""
    conversation: str = ""
    since: datetime | None = None
    until: datetime | None = None
    handled: bool = False  # those that are settled too

    def of(self, letters: Sequence[Letter]) -> list[Letter]:
        """The letters that are meant, oldest first; raises NotFound or InvalidInput where an id is of no use."""
        by_id = {known: letter for letter in letters for known in (letter.id, *(each.id for each in letter.attempts))}
        if missing := sorted(self.ids - by_id.keys()):
            raise NotFound(
                f"dead letter: {', '.join(missing)}: there is none; see `parley dead-letters list --handled`"
            )
        named = {by_id[each].id for each in self.ids}
        for letter in letters:
            if letter.id in named and letter.settlement and not self.handled:
                raise InvalidInput(
                    "ID", letter.id, f"is {letter.settlement.what} already; add --handled if you mean it"
                )
        return [letter for letter in letters if (letter.id in named if self.ids else self._takes(letter))]

    def _takes(self, letter: Letter) -> bool:
        latest = letter.latest
        return (
            (self.handled or letter.settlement is None)
            and self.stage in ("", latest.stage)
            and self.topic in ("", latest.topic, latest.topic.removeprefix("parley."))
            and self.error in ("", latest.error)
            and self.conversation in ("", latest.key)
            and (self.since is None or latest.at >= self.since)
            and (self.until is None or latest.at < self.until)
        )


def letters_of(records: Iterable[Fetched]) -> list[Letter]:
    """The letters that the records of the topic tell of, by the time of their last attempt."""
    attempts: dict[str, Attempt] = {}
    settlements: dict[str, Settlement] = {}
    for record in records:
        headers = _text(record)
        if settled := headers.get(headers_of.SETTLES):
            settlements[settled] = Settlement(
                headers.get(headers_of.SETTLEMENT, ""), headers.get(headers_of.BY, ""), headers.get(headers_of.AT, "")
            )
        else:
            attempt = _attempt(record, headers)
            attempts.setdefault(attempt.id, attempt)
    grouped: dict[str, list[Attempt]] = {}
    for attempt in sorted(attempts.values(), key=lambda each: each.at):
        first = attempts.get(attempt.redrive_of)
        grouped.setdefault(first.id if first and first.same_event(attempt) else attempt.id, []).append(attempt)
    letters = [
        Letter(name, each, {a.id: settlements[a.id] for a in each if a.id in settlements})
        for name, each in grouped.items()
    ]
    return sorted(letters, key=lambda letter: letter.latest.at)


def attempt_id(record: Fetched) -> str:
    """The id of the attempt a record of the topic tells of; one that names none has it from its place."""
    return _text(record).get(headers_of.ID) or derived_id(DEAD_LETTERS, str(record.partition), str(record.offset))


def _attempt(record: Fetched, headers: Mapping[str, str]) -> Attempt:
    body = record.body or b""
    own = headers_of.original_headers(headers)
    redrive_of = own.pop(headers_of.REDRIVE_OF, "")
    cut = _number(headers.get(headers_of.CUT))
    return Attempt(
        id=attempt_id(record),
        at=_time(headers.get(headers_of.AT, ""), record),
        stage=headers.get(headers_of.STAGE, ""),
        topic=headers.get(headers_of.TOPIC, ""),
        partition=_number(headers.get(headers_of.PARTITION)),
        offset=_number(headers.get(headers_of.OFFSET)),
        timestamp_ms=_number(headers.get(headers_of.TIMESTAMP)),
        key=(record.key or b"").decode("utf-8", "surrogateescape"),
        error=headers.get(headers_of.ERROR, ""),
        detail=headers.get(headers_of.DETAIL, ""),
        tries=_number(headers.get(headers_of.ATTEMPTS)) or 1,
        size=len(body) if cut is None else cut,
        cut=cut is not None,
        digest=hashlib.sha256(body).digest(),
        redrive_of=redrive_of,
        headers=own,
    )


def _text(record: Fetched) -> dict[str, str]:
    return {name: (value or b"").decode("utf-8", "surrogateescape") for name, value in record.headers}


def _time(text: str, record: Fetched) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None
