"""A span for each request to the API. https://opentelemetry.io/docs/specs/semconv/http/http-spans/"""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime import tracing

_API = "/v1/"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})  # a client may send any word


class Traced:
    """Continues the trace that a client's `traceparent` names, or begins one. Names routes, never what is in paths."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_API):
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with tracing.serving("gateway", method, headers, {"http.request.method": method}) as span:

            async def told(message: Message) -> None:
                if message["type"] == "http.response.start":
                    status = message["status"]
                    span.set_attribute("http.response.status_code", status)
                    if status >= 400:
                        tracing.mark_failed(span, str(status), ours=status >= 500)
                await send(message)

            try:
                await self._app(scope, receive, told)
            except Exception as error:
                tracing.mark_failed(span, type(error).__name__)
                raise
            finally:
                route = getattr(scope.get("route"), "path", "")
                if route:
                    span.update_name(f"{method} {route}")
                    span.set_attribute("http.route", route)
