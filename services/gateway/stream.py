"""One Converse stream: utterances in, the stages of their turns out, side by side."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

import structlog

from parley.v1 import gateway_pb2, turn_pb2
from services.gateway.following import FIRST_PAUSE, next_pause
from services.gateway.ledger_reader import LedgerReader
from services.gateway.reception import Accepted
from services.gateway.waiters import Waiters
from shared.errors import Unavailable

log = structlog.get_logger(__name__)


class TurnStream:
    """Follows the turns of one client until each has its final reply.

    One thread calls `take` with what the client sends, another draws `responses`; nothing is queued between them but
    the ids of open turns, of which there are at most `max_open`: beyond them the client's utterances are left unread.
    """

    def __init__(
        self,
        accept: Callable[[turn_pb2.Utterance], Accepted],
        reader: LedgerReader,
        waiters: Waiters,
        *,
        max_open: int,
        follow_seconds: float,
    ) -> None:
        self._accept = accept
        self._reader = reader
        self._waiters = waiters
        self._follow_seconds = follow_seconds
        self._room = threading.Semaphore(max_open)
        self._lock = threading.Lock()
        self._open: dict[str, float] = {}  # turn id -> monotonic time at which it was accepted
        self._news = threading.Event()
        self._closed = False
        self._half_closed = False
        self._failure: Exception | None = None

    def take(self, requests: Iterable[gateway_pb2.ConverseRequest]) -> None:
        """Accept what the client sends until it half-closes; what goes wrong is raised by `responses`."""
        try:
            for request in requests:
                self._await_room()
                if self._closed:
                    return
                self._add(self._accept(request.utterance).turn_id)
        except Exception as error:  # noqa: BLE001 - the edge of a thread: raised in the one that answers the client
            self._failure = error
        finally:
            self._half_closed = True
            self._news.set()

    def responses(self) -> Iterator[gateway_pb2.ConverseResponse]:
        """Every stage of every open turn; ends when the client has half-closed and all its turns are answered."""
        known: dict[str, set[int]] = defaultdict(set)
        pause = FIRST_PAUSE
        while not self._closed and not self._waiters.closed:
            self._news.clear()
            ending = self._half_closed  # read before the turns, so that none is added after it
            with self._lock:
                open_turns = dict(self._open)
            events = self._reader.news(open_turns, set().union(*known.values())) if open_turns else []
            for event in events:
                if event.turn_id not in self._open:
                    continue
                known[event.turn_id].add(event.id)
                yield gateway_pb2.ConverseResponse(stage=event.stage, turn=event.turn)
                if event.is_final:
                    known.pop(event.turn_id)
                    self._remove(event.turn_id)
            if self._failure is not None:
                raise self._failure
            if ending and not self._open:
                return
            self._refuse_to_wait_forever(open_turns)
            pause = next_pause(pause, bool(events))
            self._news.wait(pause if self._open else None)
        if self._waiters.closed:
            raise Unavailable("gateway: is stopping; ask for the turn by its id elsewhere")

    def close(self) -> None:
        """The client is gone."""
        self._closed = True
        self._news.set()
        with self._lock:
            open_turns = list(self._open)
        for turn_id in open_turns:
            self._remove(turn_id)

    def _await_room(self) -> None:
        while not self._room.acquire(timeout=0.5):
            if self._closed:
                return

    def _add(self, turn_id: str) -> None:
        with self._lock:
            again = turn_id in self._open
            self._open[turn_id] = time.monotonic()
        if again:
            self._room.release()
        else:
            self._waiters.add(turn_id, self._news.set)
        self._news.set()

    def _remove(self, turn_id: str) -> None:
        with self._lock:
            if self._open.pop(turn_id, None) is None:
                return
        self._waiters.remove(turn_id, self._news.set)
        self._room.release()

    def _refuse_to_wait_forever(self, open_turns: dict[str, float]) -> None:
        now = time.monotonic()
        for turn_id, since in open_turns.items():
            if now - since > self._follow_seconds and turn_id in self._open:
                raise Unavailable(
                    f"turn {turn_id}: has no final reply after {self._follow_seconds:g} s; ask for it by its id later"
                )
