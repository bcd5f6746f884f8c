"""Sends each turn at its moment, whatever became of those before it, and times it from that moment.

A generator that waits for answers sends less to a slow system and so measures it kindly (coordinated omission). Here a
turn that could not be sent in time has waited, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from tests.load.mix import Arrival

ANSWERED, SHED, UNFINISHED = "answered", "shed", "unfinished"
_CONTENT_TYPES = {".flac": "audio/flac", ".wav": "audio/wav"}
_LEAD = 0.2  # seconds between the call and the first turn


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one turn. Seconds are since the load began."""

    due: float
    sent: float
    ended: float
    outcome: str  # ANSWERED, SHED (429), UNFINISHED (no final reply within the wait), else what went wrong
    spoken: bool

    @property
    def seconds(self) -> float:
        """Latency from the moment the turn was due."""
        return self.ended - self.due


def send(
    planned: Sequence[Arrival],
    url: str,
    token: str,
    *,
    wait: float = 60.0,
    on_end: Callable[[], object] = lambda: None,
) -> list[Outcome]:
    """Send all; one outcome for each, in their order. `wait`: seconds the gateway is asked to wait for a reply."""
    return asyncio.run(_send(planned, url, token, wait, on_end))


async def _send(
    planned: Sequence[Arrival], url: str, token: str, wait: float, on_end: Callable[[], object]
) -> list[Outcome]:
    recordings = {each.recording: each.recording.read_bytes() for each in planned if each.recording}
    # A connection a turn that waits; one that was idle for long may be closed just as it is used again.
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=100, keepalive_expiry=2.0)
    headers = {"authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(
        base_url=url, headers=headers, timeout=wait + 30, limits=limits, trust_env=False
    ) as client:
        clock = asyncio.get_running_loop().time
        began = clock() + _LEAD

        async def ask(arrival: Arrival) -> Outcome:
            sent = clock() - began
            outcome = await _outcome(client, arrival, recordings[arrival.recording] if arrival.recording else b"", wait)
            on_end()
            return Outcome(arrival.due, sent, clock() - began, outcome, arrival.recording is not None)

        async with asyncio.TaskGroup() as group:
            tasks = []
            for arrival in planned:
                await asyncio.sleep(max(0.0, began + arrival.due - clock()))
                tasks.append(group.create_task(ask(arrival)))
    return [task.result() for task in tasks]


async def _outcome(client: httpx.AsyncClient, arrival: Arrival, audio: bytes, wait: float) -> str:
    try:
        if arrival.recording:
            answer = await client.post(
                "/v1/utterances",
                params={"wait": wait, "locale": arrival.locale, "conversation_id": arrival.conversation_id},
                content=audio,
                headers={"content-type": _CONTENT_TYPES[arrival.recording.suffix]},
            )
        else:
            body = {"text": arrival.text, "locale": arrival.locale, "conversation_id": arrival.conversation_id}
            answer = await client.post("/v1/utterances", params={"wait": wait}, json=body)
    except httpx.HTTPError as error:
        return type(error).__name__
    if answer.status_code == httpx.codes.OK:
        return ANSWERED if answer.json()["reply"]["text"] else "an empty reply"
    named = {httpx.codes.ACCEPTED: UNFINISHED, httpx.codes.TOO_MANY_REQUESTS: SHED}
    return named.get(httpx.codes(answer.status_code), f"HTTP {answer.status_code}")
