"""What `POST /v1/utterances` takes: JSON, a recording as it is, or a form with a recording in it."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Request
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from parley.v1 import turn_pb2
from services.gateway.http.errors import TooLarge, UnsupportedMediaType
from services.gateway.http.json_bodies import from_json
from services.gateway.refusal import InvalidBody, Violation
from shared.errors import Overloaded

# Fields of an utterance that travel beside a recording: in the query, or as parts of the form.
BESIDE = ("turn_id", "conversation_id", "locale")
TAKEN = "send application/json, audio/* (the recording itself) or multipart/form-data with a part named audio"


class BodyLimit:
    """Refuses a body larger than `limit` bytes, whether it says so at once or goes on and on.

    The bodies being received at the same time may hold `together` bytes; who comes beyond that is asked to come again.
    """

    def __init__(self, app: ASGIApp, limit: int, together: int) -> None:
        self._app = app
        self._limit = limit
        self._together = together
        self._held = 0  # by requests under way; all of them run in one event loop

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            size = len(message.get("body", b""))
            read += size
            self._held += size
            if read > self._limit:
                raise too_large(read, self._limit)
            if self._held > self._together:
                raise Overloaded("gateway.max_bytes_in_flight: other bodies are being received", retry_after=1.0)
            return message

        try:
            await self._app(scope, counted, send)
        finally:
            self._held -= read


def too_large(size: int, limit: int) -> TooLarge:
    """What is said of a body of `size` bytes or more."""
    return TooLarge("body", f"{size} bytes", f"is too large; send at most {limit} bytes")


async def read_utterance(request: Request, limit: int) -> turn_pb2.Utterance:
    """The utterance of a request; raises InvalidInput, TooLarge or UnsupportedMediaType."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit:
        raise too_large(int(announced), limit)
    content_type = request.headers.get("content-type", "").strip()
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/json":
        return from_json(await request.body(), turn_pb2.Utterance)
    if kind == "multipart/form-data":
        return await _from_form(request)
    if kind.startswith("audio/") or kind == "application/ogg":
        return _spoken(await request.body(), content_type, request.query_params)
    raise UnsupportedMediaType("content-type", kind, f"is not taken; {TAKEN}")


async def _from_form(request: Request) -> turn_pb2.Utterance:
    try:
        form = await request.form(max_files=1, max_fields=len(BESIDE))
    except HTTPException as error:
        raise InvalidBody([Violation("body", f"is no readable form: {error.detail}; {TAKEN}")]) from error
    audio = form.get("audio")
    beside = {name: value for name, value in form.items() if isinstance(value, str)}
    unknown = sorted(set(form) - {"audio", *BESIDE})
    if unknown:
        raise InvalidBody([Violation(name, f"is unknown; send audio, {', '.join(BESIDE)}") for name in unknown])
    if not isinstance(audio, UploadFile):
        raise InvalidBody([Violation("audio", "is missing; send the recording as a file part named audio")])
    return _spoken(await audio.read(), audio.content_type or "", {**request.query_params, **beside})


def _spoken(data: bytes, content_type: str, beside: Mapping[str, str]) -> turn_pb2.Utterance:
    utterance = turn_pb2.Utterance(
        turn_id=beside.get("turn_id", ""),
        conversation_id=beside.get("conversation_id", ""),
        locale=beside.get("locale", ""),
    )
    utterance.audio.data = data
    utterance.audio.content_type = content_type[:100]
    return utterance
