"""Labels over HTTP: sent by people, read on by whoever learns from them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from google.protobuf import json_format
from starlette.concurrency import run_in_threadpool

from parley.v1 import labels_pb2
from services.gateway.door import Door
from services.gateway.http.json_bodies import from_json
from services.gateway.labels import KeptLabel
from services.gateway.view import moment
from shared.errors import InvalidInput

_EXAMPLE = {"turn_id": "", "text": "turn on the kitchen light", "language": "en", "intent": "turn_on", "rating": 5}


class LabelApi:
    """The routes under /v1/labels."""

    def __init__(self, door: Door) -> None:
        self._door = door

    def add_to(self, router: APIRouter) -> None:
        """Add them, documented."""
        body = {"content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}}}
        router.post(
            "/v1/labels",
            status_code=201,
            summary="Say what a turn should have been",
            openapi_extra={"requestBody": {"required": True, **body}},
        )(self.label)
        router.get("/v1/labels", summary="Labels, oldest first; go on with `after`")(self.labels)

    async def label(self, request: Request) -> Response:
        """Keep one label (parley.v1.Label in protobuf's JSON mapping); it is in SQL when this answers."""
        principal = self._door.tokens.principal(request.headers.get("authorization", ""))
        address = request.client.host if request.client else ""
        await run_in_threadpool(self._door.admission.admit, principal, address)
        label = from_json(await request.body(), labels_pb2.Label)
        label_id = await run_in_threadpool(self._door.labels.accept, label, self._door.viewer(principal))
        return JSONResponse({"label_id": label_id}, 201)

    async def labels(
        self,
        request: Request,
        after: Annotated[int, Query(ge=0, description="The last number you have")] = 0,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> Response:
        """An operator's whole tenant, anybody else's own."""
        principal = self._door.tokens.principal(request.headers.get("authorization", ""))
        if not principal.user_id:
            raise InvalidInput("authorization", "", "is needed to read labels; send 'Bearer' and a token")
        kept = await run_in_threadpool(self._door.book.after, after, self._door.viewer(principal), limit)
        return JSONResponse({"labels": [_shown(each) for each in kept]})


def _shown(kept: KeptLabel) -> dict[str, object]:
    label = json_format.MessageToDict(kept.label, preserving_proto_field_name=True)
    return {"number": kept.number, "verified": kept.verified, "received_at": moment(kept.received_at), "label": label}
