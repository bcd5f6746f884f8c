"""Every HTTP error has one shape: {"error": {"code", "message", "fields": [{"field", "message", "value"?}]}}."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.gateway.refusal import InvalidBody, Violation
from shared.errors import BlobTooLarge, InvalidInput, NotFound, Overloaded, ParleyError, TransientError, Unauthenticated

log = structlog.get_logger(__name__)
_LONGEST_VALUE = 120
_CODES = {404: "not_found", 405: "method_not_allowed"}


class TooLarge(InvalidInput):
    """A body beyond the limit."""


class UnsupportedMediaType(InvalidInput):
    """A body of a kind that is not taken."""


def add_error_handlers(app: FastAPI) -> None:
    """Have `app` answer every error in the one shape."""
    app.add_exception_handler(ParleyError, _parley_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


def _parley_error(_request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, TooLarge | BlobTooLarge):
        return _answer(413, "payload_too_large", str(error), [Violation(error.field, error.remedy)])
    if isinstance(error, UnsupportedMediaType):
        return _answer(415, "unsupported_media_type", str(error), [Violation(error.field, error.remedy)])
    if isinstance(error, InvalidBody):
        return _answer(400, "invalid_argument", str(error), error.violations)
    if isinstance(error, InvalidInput):
        return _answer(400, "invalid_argument", str(error), [Violation(error.field, error.remedy)])
    if isinstance(error, Unauthenticated):
        return _answer(401, "unauthenticated", str(error), headers={"www-authenticate": "Bearer"})
    if isinstance(error, NotFound):
        return _answer(404, "not_found", str(error))
    if isinstance(error, Overloaded):
        return _answer(429, "overloaded", str(error), headers={"retry-after": str(max(1, round(error.retry_after)))})
    if isinstance(error, TransientError):
        return _answer(503, "unavailable", str(error), headers={"retry-after": "1"})
    return _answer(409, "failed_precondition", str(error))


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    """A query or path parameter that is missing or wrong."""
    assert isinstance(error, RequestValidationError)
    violations = [
        Violation(".".join(str(part) for part in each["loc"][1:]), each["msg"], _shown(each.get("input")))
        for each in error.errors()
    ]
    text = "; ".join(f"{each.field}: {each.message}" for each in violations)
    return _answer(400, "invalid_argument", text, violations)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    text = f"{request.method} {request.url.path}: {error.detail}; see /docs for what there is"
    return _answer(error.status_code, _CODES.get(error.status_code, "error"), text, headers=error.headers)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", method=request.method, route=_route(request), exc_info=error)
    return _answer(500, "internal", "something of ours broke; it is logged, try again later")


def _route(request: Request) -> str:
    """The route's pattern, which holds no ids."""
    return str(getattr(request.scope.get("route"), "path", ""))


def _answer(
    status: int, code: str, message: str, violations: Sequence[Violation] = (), headers: Any = None
) -> JSONResponse:
    fields = [
        {"field": each.field, "message": each.message} | ({} if each.value is None else {"value": each.value})
        for each in violations
    ]
    return JSONResponse({"error": {"code": code, "message": message, "fields": fields}}, status, headers)


def _shown(value: object) -> str | None:
    return str(value)[:_LONGEST_VALUE] if isinstance(value, str | int | float) else None
