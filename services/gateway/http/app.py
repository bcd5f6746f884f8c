"""The HTTP API: utterances in, turns and their progress out, and the console page."""

from __future__ import annotations

import re
from contextlib import nullcontext
from importlib import resources
from typing import Annotated

from fastapi import APIRouter, FastAPI, Query, Request, Response, Security
from fastapi.responses import FileResponse, JSONResponse
from fastapi.security import HTTPBearer
from fastapi.staticfiles import StaticFiles
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool

from parley.v1 import principal_pb2
from services.gateway.door import Door
from services.gateway.following import await_answer
from services.gateway.http import documents
from services.gateway.http.bodies import BodyLimit, read_utterance
from services.gateway.http.errors import add_error_handlers
from services.gateway.http.labels import LabelApi
from services.gateway.http.progress import progress
from services.gateway.http.traces import Traced
from services.gateway.ledger_reader import LedgerTurn
from services.gateway.storage import ANSWERED
from services.gateway.view import turn_summary, turn_view
from shared.errors import InvalidInput
from shared.runtime import tracing

CONSOLE = resources.files("services.gateway") / "console"
_CONSOLE_HEADERS = {"content-security-policy": "default-src 'self'; base-uri 'none'; frame-ancestors 'none'"}
_TURN_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CONVERSATION = "^$|^[A-Za-z0-9._:@+-]{1,200}$"
_WAIT = "Seconds to wait for the final reply"


def create_app(door: Door) -> FastAPI:
    """The ASGI application over the gateway's parts."""
    app: FastAPI = FastAPIOffline(
        title="Parley gateway",
        description="Say something, and follow the turn it opens until its reply.",
        version="v1",
        redoc_url=None,
    )
    app.add_middleware(BodyLimit, limit=door.settings.max_body_bytes, together=door.settings.max_bytes_in_flight)
    app.add_middleware(Traced)
    app.include_router(Api(door).router())
    app.mount("/console", StaticFiles(directory=str(CONSOLE)), name="console")
    add_error_handlers(app)

    @app.get("/", include_in_schema=False)
    def console() -> FileResponse:
        return FileResponse(str(CONSOLE / "index.html"), headers=_CONSOLE_HEADERS)

    return app


class Api:
    """The routes under /v1, and /healthz."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def router(self) -> APIRouter:
        """The routes, documented."""
        bearer = HTTPBearer(auto_error=False, description="A JSON Web Token of the configured issuer")
        router = APIRouter(responses=documents.ERRORS, dependencies=[Security(bearer)])
        router.post(
            "/v1/utterances",
            status_code=202,
            summary="Say something",
            responses={200: {"model": documents.TurnDocument}, 202: {"model": documents.AcceptedDocument}},
            openapi_extra=documents.UTTERANCE_BODY,
        )(self.say)
        router.get(
            "/v1/turns", summary="List turns, newest first", responses={200: {"model": documents.TurnsDocument}}
        )(self.turns)
        turn = {200: {"model": documents.TurnDocument}, **documents.NOT_FOUND}
        router.get("/v1/turns/{turn_id}", summary="One turn", responses=turn)(self.turn)
        stream = {200: {"content": {"text/event-stream": {}}}, **documents.NOT_FOUND}
        router.get("/v1/turns/{turn_id}/events", summary="A turn's progress", responses=stream)(self.events)
        LabelApi(self._door).add_to(router)
        router.get("/healthz", summary="Whether the gateway answers")(self.health)
        return router

    async def say(self, request: Request, wait: Annotated[float, Query(ge=0, description=_WAIT)] = 0) -> Response:
        """Accept an utterance; with `wait`, answer with its finished turn (200), or with its ids (202)."""
        self._check_wait(wait)
        principal = self._principal(request)
        with self._door.admission.waiting() if wait else nullcontext():
            return await self._say(request, principal, wait)

    async def _say(self, request: Request, principal: principal_pb2.Principal, wait: float) -> Response:
        address = request.client.host if request.client else ""
        await run_in_threadpool(self._door.admission.admit, principal, address)
        utterance = await read_utterance(request, self._door.settings.max_body_bytes)
        trace = tracing.passed_on(request.headers)
        accepted = await run_in_threadpool(self._door.reception.accept, utterance, principal, trace=trace)
        turn = await run_in_threadpool(self._door.reader.turn, accepted.turn_id, self._door.viewer(principal))
        if wait:
            turn = await self._await_answer(turn, principal, wait)
        if wait and turn.state == ANSWERED:
            return await self._shown(turn)
        ids = {"turn_id": turn.turn_id, "conversation_id": turn.conversation_id, "state": turn.state}
        return JSONResponse(ids, 202, {"location": f"/v1/turns/{turn.turn_id}"})

    async def turn(
        self, request: Request, turn_id: str, wait: Annotated[float, Query(ge=0, description=_WAIT)] = 0
    ) -> Response:
        """All that is known of a turn; with `wait`, once it is finished."""
        self._check_wait(wait)
        principal = self._principal(request)
        turn = await self._turn(turn_id, principal)
        if wait and turn.state != ANSWERED:
            with self._door.admission.waiting():
                turn = await self._await_answer(turn, principal, wait)
        return await self._shown(turn)

    async def turns(
        self,
        request: Request,
        conversation: Annotated[str, Query(pattern=_CONVERSATION, description="Leave out for all of your own")] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 20,
    ) -> Response:
        """The newest turns of a conversation, or of the caller."""
        principal = self._principal(request)
        if not conversation and not principal.user_id:
            raise InvalidInput("conversation", "", "must name a conversation, or send a token to list your own turns")
        viewer = self._door.viewer(principal)
        records = await run_in_threadpool(self._door.reader.turns, viewer, conversation, limit)
        return JSONResponse({"turns": [turn_summary(record) for record in records]})

    async def events(self, request: Request, turn_id: str) -> Response:
        """Server-sent events: "stage" for each stage, "final" for the final reply, then the end."""
        turn = await self._turn(turn_id, self._principal(request))
        return await progress(self._door, turn, request.headers)

    async def health(self) -> Response:
        """200 while the ledger can be read."""
        await run_in_threadpool(self._door.reader.answers)
        return JSONResponse({"status": "ok"})

    async def _turn(self, turn_id: str, principal: principal_pb2.Principal) -> LedgerTurn:
        if not _TURN_ID.fullmatch(turn_id):
            raise InvalidInput("turn_id", turn_id, "is no UUID; take it from the answer to POST /v1/utterances")
        return await run_in_threadpool(self._door.reader.turn, turn_id, self._door.viewer(principal))

    async def _await_answer(self, turn: LedgerTurn, principal: principal_pb2.Principal, seconds: float) -> LedgerTurn:
        """The turn once it is answered, or as it is after `seconds`."""
        await await_answer(self._door.reader, self._door.waiters, turn.turn_id, seconds=seconds)
        return await run_in_threadpool(self._door.reader.turn, turn.turn_id, self._door.viewer(principal))

    async def _shown(self, turn: LedgerTurn) -> Response:
        return JSONResponse(await run_in_threadpool(lambda: turn_view(self._door.reader.record(turn))))

    def _principal(self, request: Request) -> principal_pb2.Principal:
        return self._door.tokens.principal(request.headers.get("authorization", ""))

    def _check_wait(self, seconds: float) -> None:
        longest = self._door.settings.longest_wait_s
        if seconds > longest:
            raise InvalidInput("wait", seconds, f"is too long; wait {longest:g} s at most and ask again")
