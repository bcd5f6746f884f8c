"""uvicorn in a thread of its own: started and stopped with the gateway."""

from __future__ import annotations

import socket
import threading

import structlog
import uvicorn
from starlette.types import ASGIApp

from services.gateway.waiters import Waiters
from shared.errors import Unavailable

log = structlog.get_logger(__name__)
_GRACE = 3  # seconds given to requests under way when stopping


class HttpServer:
    """Serves `app` on `host`:`port` (0 picks a free one) between `start` and `stop`."""

    def __init__(self, app: ASGIApp, host: str, port: int, waiters: Waiters) -> None:
        self._host = host
        self._wanted = port
        self._waiters = waiters
        self._socket: socket.socket | None = None
        self._server = uvicorn.Server(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                timeout_graceful_shutdown=_GRACE,
            )
        )
        self._thread = threading.Thread(target=self._serve, name="gateway-http", daemon=True)

    @property
    def port(self) -> int:
        """The port that is bound; 0 before `bind`."""
        return int(self._socket.getsockname()[1]) if self._socket else 0

    def bind(self) -> None:
        """Take the port, so that one in use is told of while loading; raises Unavailable."""
        if self._socket is not None:
            return
        try:
            self._socket = self._listen()
        except OSError as error:
            raise Unavailable(
                f"server.http_port: {self._wanted} on {self._host} cannot be bound ({error.strerror}); "
                "stop its process or set PARLEY_SERVER_HTTP_PORT"
            ) from error

    def start(self) -> None:
        """Serve."""
        self.bind()
        self._thread.start()
        log.info("http listening", host=self._host, port=self.port)

    def stop(self) -> None:
        """End streams, finish requests, close the port."""
        self._waiters.close()
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join(timeout=_GRACE + 2)
        if self._socket is not None:
            self._socket.close()

    def _serve(self) -> None:
        assert self._socket is not None
        self._server.run(sockets=[self._socket])

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio turns Nagle's algorithm off only where the socket says it is TCP; with it each answer takes 40 ms.
        listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self._host, self._wanted))
            listener.listen(512)
        except OSError:
            listener.close()
            raise
        return listener
