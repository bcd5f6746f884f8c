"""Wakes whoever waits for news of a turn in this process, once the news is committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import sqlalchemy.event
from sqlalchemy.orm import Session, SessionTransaction

Wake = Callable[[], None]
_NEWS = "parley_gateway_news"


class Waiters:
    """Who waits for which turn. Waking is a hint to read the ledger: news may also come in by another replica."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wakes: dict[str, set[Wake]] = {}
        self._closed = threading.Event()

    @property
    def closed(self) -> bool:
        """True once the gateway stops: waiting is over."""
        return self._closed.is_set()

    @contextmanager
    def waiting(self, turn_id: str, wake: Wake) -> Iterator[None]:
        """Have `wake` called, from any thread, whenever there is news of the turn within the block."""
        self.add(turn_id, wake)
        try:
            yield
        finally:
            self.remove(turn_id, wake)

    def add(self, turn_id: str, wake: Wake) -> None:
        """Begin to wait."""
        with self._lock:
            self._wakes.setdefault(turn_id, set()).add(wake)

    def remove(self, turn_id: str, wake: Wake) -> None:
        """Wait no longer."""
        with self._lock:
            wakes = self._wakes.get(turn_id, set())
            wakes.discard(wake)
            if not wakes:
                self._wakes.pop(turn_id, None)

    def wake_after_commit(self, session: Session, turn_id: str) -> None:
        """Wake those who wait for a turn as soon as the session's transaction is through; costs nothing if none do."""
        if turn_id not in self._wakes:
            return
        news: set[str] | None = session.info.get(_NEWS)
        if news is None:
            news = session.info[_NEWS] = set()
            sqlalchemy.event.listen(session, "after_transaction_end", self._transaction_ended)
        news.add(turn_id)

    def close(self) -> None:
        """Wake everybody for good."""
        self._closed.set()
        with self._lock:
            wakes = [wake for waiting in self._wakes.values() for wake in waiting]
        for wake in wakes:
            wake()

    def _transaction_ended(self, session: Session, transaction: SessionTransaction) -> None:
        if transaction.parent is not None:  # a savepoint: nothing is committed yet
            return
        for turn_id in session.info.pop(_NEWS, ()):
            with self._lock:
                wakes = list(self._wakes.get(turn_id, ()))
            for wake in wakes:
                wake()
