"""A turn's progress as server-sent events. https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping

from fastapi import Response
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from services.gateway import metrics
from services.gateway.door import Door
from services.gateway.following import follow
from services.gateway.ledger_reader import LedgerEvent, LedgerTurn
from services.gateway.storage import ANSWERED
from services.gateway.view import progress_view

_KEEP_ALIVE = 15.0  # seconds without news after which a comment keeps proxies from closing the stream
_HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}


async def progress(door: Door, turn: LedgerTurn, headers: Mapping[str, str]) -> Response:
    """The stream of `turn`'s events: "stage" for each, then "final" for its final reply, and the end.

    A client that was cut off sends `Last-Event-ID` and gets what came since; one that has the final reply already is
    told to come no more (204).
    """
    known: set[int] = set()
    last = headers.get("last-event-id", "")
    if last.isdecimal():
        events = await run_in_threadpool(door.reader.news, [turn.turn_id])
        known = {event.id for event in events if event.id <= int(last)}
        if turn.state == ANSWERED and any(event.is_final and event.id in known for event in events):
            return Response(status_code=204)
    return StreamingResponse(_stream(door, turn, known), media_type="text/event-stream", headers=_HEADERS)


async def _stream(door: Door, turn: LedgerTurn, known: set[int]) -> AsyncIterator[str]:
    told_at = time.monotonic()
    with metrics.STREAMS.labels("http").track_inprogress():
        yield "retry: 1000\n\n"
        async for event in follow(door.reader, door.waiters, turn.turn_id, seconds=door.settings.follow_s, known=known):
            if event is not None:
                told_at = time.monotonic()
                yield _frame(event, turn)
            elif time.monotonic() - told_at > _KEEP_ALIVE:
                told_at = time.monotonic()
                yield ": still waiting\n\n"


def _frame(event: LedgerEvent, turn: LedgerTurn) -> str:
    data = json.dumps(progress_view(event, turn), ensure_ascii=False)
    return f"id: {event.id}\nevent: {'final' if event.is_final else 'stage'}\ndata: {data}\n\n"
