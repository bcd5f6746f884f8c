"""Which offsets may be committed: all before the first one whose results are not durable."""

from __future__ import annotations

import threading

_FURTHEST_AHEAD = 256  # records handed out that no fetch has brought yet


class PartitionProgress:
    """Progress through one assignment of one partition. Thread-safe; closed when the partition is taken away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outstanding: dict[int, int] = {}  # offset -> services still at work on it, in order of offsets
        self._next = -1  # offset after the last fetched
        self._committed = -1
        self._running = 0
        self._ahead: set[int] = set()  # offsets handed out before a fetch brought them
        self._fetched_to = -1  # offset after the last that a fetch brought
        self.handing = threading.Lock()  # held by whoever hands a record out, so that they go in order
        self.closed = False

    def fetched(self, offset: int, services: int) -> None:
        """A record was fetched and goes to `services` services."""
        with self._lock:
            self._next = self._fetched_to = offset + 1
            if services:
                self._outstanding[offset] = services

    def passed_over(self, offset: int) -> bool:
        """True where the record that a fetch brings was handed out ahead of it; asked once a record.

        An offset below one that was fetched already is another record: the broker began anew.
        """
        with self._lock:
            if offset < self._fetched_to:
                self._ahead.clear()
            if offset not in self._ahead:
                return False
            self._ahead.remove(offset)
            self._fetched_to = offset + 1
            return True

    def taken_ahead(self, offset: int, services: int, most: int) -> bool:
        """Whether a record that the broker has acknowledged may be handed out before a fetch brings it.

        It may where it is exactly the next one, fewer than `most` are outstanding, and the partition is still ours; it
        counts as handed out then.
        """
        with self._lock:
            full = len(self._outstanding) >= most or len(self._ahead) >= _FURTHEST_AHEAD
            if self.closed or full or offset != self._next:
                return False
            self._next = offset + 1
            self._ahead.add(offset)
            if services:
                self._outstanding[offset] = services
            return True

    def begin(self) -> bool:
        """Start work on a record; False where the partition was taken away and the work must be left to its heir."""
        with self._lock:
            if self.closed:
                return False
            self._running += 1
            return True

    def end(self) -> None:
        """Leave work on a record, done or not."""
        with self._lock:
            self._running -= 1

    def done(self, offset: int) -> None:
        """One service's results for a record are durable."""
        with self._lock:
            left = self._outstanding.get(offset, 0) - 1
            if left > 0:
                self._outstanding[offset] = left
            else:
                self._outstanding.pop(offset, None)

    def close(self) -> None:
        """Begin no more work."""
        with self._lock:
            self.closed = True

    @property
    def outstanding(self) -> int:
        """Records fetched and not done."""
        return len(self._outstanding)

    @property
    def running(self) -> int:
        """Records being worked on right now."""
        return self._running

    def to_commit(self, *, again: bool = False) -> int | None:
        """The offset to commit, or None where nothing new is done. `again`: also where it was committed before."""
        with self._lock:
            position = next(iter(self._outstanding), self._next)
            if position < 0 or (position <= self._committed and not again):
                return None
            self._committed = position
            return position
