"""Waiting for a turn in the ledger, for HTTP: asleep until woken, and reading now and then all the same."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection
from contextlib import suppress

from starlette.concurrency import run_in_threadpool

from services.gateway.ledger_reader import LedgerEvent, LedgerReader
from services.gateway.waiters import Waiters, Wake

FIRST_PAUSE = 0.05  # seconds
LONGEST_PAUSE = 0.5
_GROWTH = 1.5


def next_pause(pause: float, news: bool) -> float:
    """How long to sleep before reading again: short while news comes, longer while nothing does."""
    return FIRST_PAUSE if news else min(LONGEST_PAUSE, pause * _GROWTH)


async def follow(
    reader: LedgerReader, waiters: Waiters, turn_id: str, *, seconds: float, known: Collection[int] = ()
) -> AsyncIterator[LedgerEvent | None]:
    """The turn's events as they come, those with a `known` id left out; None after each pause without any.

    Ends after the final reply, after `seconds`, or when the gateway stops.
    """
    woken, seen = asyncio.Event(), set(known)
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    with waiters.waiting(turn_id, _waking(woken)):
        while not waiters.closed:
            woken.clear()
            news = await run_in_threadpool(reader.news, [turn_id], seen)
            for event in news:
                seen.add(event.id)
                yield event
                if event.is_final:
                    return
            left = deadline - time.monotonic()
            if left <= 0:
                return
            pause = next_pause(pause, bool(news))
            try:
                await asyncio.wait_for(woken.wait(), min(pause, left))
            except TimeoutError:
                yield None


async def await_answer(reader: LedgerReader, waiters: Waiters, turn_id: str, *, seconds: float) -> None:
    """Return once the turn has its final reply, after `seconds`, or when the gateway stops."""
    woken = asyncio.Event()
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    with waiters.waiting(turn_id, _waking(woken)):
        while not waiters.closed:
            woken.clear()
            if await run_in_threadpool(reader.is_answered, turn_id) or (left := deadline - time.monotonic()) <= 0:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(woken.wait(), min(pause, left))
            pause = next_pause(pause, news=False)


def _waking(woken: asyncio.Event) -> Wake:
    """What wakes this loop from any thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(woken.set)

    return wake
