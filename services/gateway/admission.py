"""Who is let in: a rate for each user, and nobody while more turns are open than the road can bring to their end.

A refusal costs the client a moment and us nothing; what is accepted stands in the ledger and has to be carried out.
Rates are counted by each replica for itself: behind a balancer with N of them a user may have up to N times as many.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from limits import RateLimitItem, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from parley.v1 import principal_pb2
from services.gateway import metrics
from services.gateway.settings import GatewaySettings
from shared.errors import Overloaded

_COUNTED_FOR = 0.25  # seconds a count of the ledger's open turns is good for
_BACKLOG_PAUSE = 2.0  # seconds a client is asked to wait where too many turns are open


class Admission:
    """Asked before anything of an utterance is kept. Safe to use from several threads."""

    def __init__(
        self, settings: GatewaySettings, open_turns: Callable[[], int], now: Callable[[], float] = time.monotonic
    ) -> None:
        """`open_turns`: how many turns in the ledger have no final reply."""
        self._settings = settings
        self._open_turns = open_turns
        self._now = now
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._rates = {True: _rate(settings.turns_per_minute), False: _rate(settings.anonymous_turns_per_minute)}
        self._lock = threading.Lock()
        self._counted_at = -_COUNTED_FOR
        self._counted = 0
        self._since = 0  # let in since the ledger was counted
        self._waiting = 0

    def admit(self, principal: principal_pb2.Principal, address: str) -> None:
        """Let one utterance in; raises Overloaded, with the seconds after which to try again.

        `address`: where the client is, which stands for those who have no name.
        """
        self._check_backlog()
        known = bool(principal.user_id)
        rate = self._rates[known]
        if rate is None:
            return
        who = f"{principal.tenant}/{principal.user_id}" if known else f"@{address}"
        if not self._limiter.hit(rate, who):
            metrics.TURNS_REFUSED.labels("rate").inc()
            pause = max(1.0, self._limiter.get_window_stats(rate, who).reset_time - time.time())
            setting = "turns_per_minute" if known else "anonymous_turns_per_minute"
            raise Overloaded(
                f"gateway.{setting}: {rate.amount} are used up; try again in {pause:.0f} s", retry_after=pause
            )

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Wait for a turn within the block; raises Overloaded where too many wait already."""
        with self._lock:
            if self._waiting >= self._settings.max_waiting:
                metrics.TURNS_REFUSED.labels("waiting").inc()
                raise Overloaded(
                    f"gateway.max_waiting: {self._waiting} requests wait already; ask without `wait`, or later",
                    retry_after=_BACKLOG_PAUSE,
                )
            self._waiting += 1
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def _check_backlog(self) -> None:
        with self._lock:
            now = self._now()
            if now - self._counted_at >= _COUNTED_FOR:
                self._counted, self._since, self._counted_at = self._open_turns(), 0, now
            if self._counted + self._since >= self._settings.max_backlog:
                metrics.TURNS_REFUSED.labels("backlog").inc()
                raise Overloaded(
                    f"gateway.max_backlog: {self._counted + self._since} turns have no reply yet; try again shortly",
                    retry_after=_BACKLOG_PAUSE,
                )
            self._since += 1


def _rate(per_minute: int) -> RateLimitItem | None:
    return RateLimitItemPerMinute(per_minute) if per_minute else None
