"""Metrics and readiness over HTTP, for Prometheus and for probes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from shared.errors import TransientError

Readiness = Callable[[], dict[str, str]]


class HealthServer:
    """GET /metrics, /livez and /readyz. Ready means: every service's state is "ready"; else 503 and the states."""

    def __init__(self, host: str, port: int, readiness: Readiness) -> None:
        self._readiness = readiness
        self._metrics = make_wsgi_app()
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Quiet)
        except OSError as error:
            raise TransientError(
                f"server.metrics_port: {port} is taken; stop its process or set PARLEY_SERVER_METRICS_PORT"
            ) from error
        self.port = self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="health", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "/")
        if path == "/metrics":
            exposition: Iterable[bytes] = self._metrics(environ, start_response)
            return exposition
        if path == "/livez":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"ok\n"]
        if path == "/readyz":
            states = self._readiness()
            ready = bool(states) and all(state == "ready" for state in states.values())
            start_response("200 OK" if ready else "503 Service Unavailable", [("Content-Type", "application/json")])
            return [json.dumps({"ready": ready, "services": states}).encode() + b"\n"]
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"not found; try /metrics, /readyz or /livez\n"]


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a connection: one that says nothing keeps no probe waiting."""

    daemon_threads = True
    request_queue_size = 64


class _Quiet(WSGIRequestHandler):
    timeout = 10  # seconds a connection may be silent

    def log_message(self, format: str, *args: Any) -> None:
        """Probes come every few seconds; they are not news."""
