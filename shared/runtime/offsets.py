"""Which offsets may be committed: all before the first one whose results are not durable."""

from __future__ import annotations

import threading


class PartitionProgress:
    """Progress through one assignment of one partition. Thread-safe; closed when the partition is taken away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._outstanding: dict[int, int] = {}  # offset -> services still at work on it, in order of offsets
        self._next = -1  # offset after the last fetched
        self._committed = -1
        self._running = 0
        self.closed = False

    def fetched(self, offset: int, services: int) -> None:
        """A record was fetched and goes to `services` services."""
        with self._lock:
            self._next = offset + 1
            if services:
                self._outstanding[offset] = services

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
