"""What the OpenAPI page shows of bodies and answers. Requests are checked against the contract, not against these."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from services.gateway.http.bodies import BESIDE

Json = dict[str, Any]


class FieldError(BaseModel):
    """One field that is wrong."""

    field: str
    message: str
    value: str | None = None


class ErrorBody(BaseModel):
    """What went wrong, and what to do."""

    code: str
    message: str
    fields: list[FieldError]


class ErrorDocument(BaseModel):
    """Every error has this shape."""

    error: ErrorBody


class AcceptedDocument(BaseModel):
    """The utterance is in the ledger; its turn goes on by itself."""

    turn_id: str
    conversation_id: str
    state: str = "open"


class TimelineDocument(BaseModel):
    """One event of a turn."""

    stage: str = Field(examples=["nlu"])
    topic: str
    seq: int = Field(description="Stops the turn had made")
    received_at: str
    elapsed_ms: float = Field(description="Since the turn was opened")
    stage_ms: float
    engine_ms: float
    reply_kind: str | None


class TurnDocument(BaseModel):
    """A turn: each section as its protobuf message in protobuf's JSON mapping with snake_case names."""

    turn_id: str
    conversation_id: str
    state: str = Field(description="open, answered or unanswered")
    opened_at: str
    answered_at: str | None
    latency_ms: float | None
    drives: int = Field(description="How often the turn was driven again")
    utterance: Json
    transcript: Json | None
    understanding: Json | None
    decision: Json | None
    evidence: Json | None
    task_results: list[Json]
    timings_ms: dict[str, float] = Field(description="By stage, waiting included")
    engine_ms: dict[str, float] = Field(description="By stage, the engine alone")
    model_versions: dict[str, list[Json]]
    reply: Json | None = Field(description="The final reply")
    replies: list[Json]
    events: list[TimelineDocument]


class SummaryDocument(BaseModel):
    """One line of a list of turns."""

    turn_id: str
    conversation_id: str
    state: str
    opened_at: str
    latency_ms: float | None
    text: str
    intent: str
    reply: str | None


class TurnsDocument(BaseModel):
    """Turns, newest first."""

    turns: list[SummaryDocument]


ERRORS: dict[int | str, Json] = {
    400: {"model": ErrorDocument, "description": "A field is wrong; every one is named"},
    401: {"model": ErrorDocument, "description": "The token cannot be trusted"},
    503: {"model": ErrorDocument, "description": "Something Parley needs does not answer; try again"},
}
NOT_FOUND: dict[int | str, Json] = {404: {"model": ErrorDocument, "description": "No such turn of yours"}}
UTTERANCE_BODY: Json = {
    "parameters": [
        {"name": name, "in": "query", "schema": {"type": "string"}, "description": "Beside a raw recording"}
        for name in BESIDE
    ],
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "title": "Utterance",
                    "description": "parley.v1.Utterance in protobuf's JSON mapping",
                    "properties": {
                        "text": {"type": "string", "maxLength": 8000},
                        "audio": {
                            "type": "object",
                            "properties": {
                                "data": {"type": "string", "format": "byte"},
                                "content_type": {"type": "string"},
                            },
                        },
                        "turn_id": {
                            "type": "string",
                            "format": "uuid",
                            "description": "The same id again: no second turn",
                        },
                        "conversation_id": {"type": "string", "pattern": "^[A-Za-z0-9._:@+-]{1,200}$"},
                        "locale": {"type": "string", "examples": ["en", "zh-CN"]},
                        "said_at": {"type": "string", "format": "date-time"},
                    },
                },
                "example": {"text": "turn on the kitchen light", "locale": "en"},
            },
            "audio/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["audio"],
                    "properties": {"audio": {"type": "string", "format": "binary"}}
                    | {name: {"type": "string"} for name in BESIDE},
                }
            },
        },
    },
}
