"""Work that time starts: a thread that calls a function again and again until stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from shared.errors import ParleyError

log = structlog.get_logger(__name__)


class Ticker:
    """Calls `run` every `seconds`. An error is logged, and the next tick tries again."""

    def __init__(self, name: str, seconds: float, run: Callable[[], object]) -> None:
        self._name = name
        self._seconds = seconds
        self._run = run
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)

    def start(self) -> None:
        """Begin to tick."""
        self._thread.start()

    def stop_soon(self) -> None:
        """Begin no further tick."""
        self._stopping.set()

    def stop(self, timeout: float = 5.0) -> None:
        """Finish the tick at hand, within `timeout` seconds, and stop."""
        self.stop_soon()
        if self._thread.is_alive():
            self._thread.join(timeout=timeout)

    def _serve(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._run()
            except ParleyError as error:
                log.warning("tick put off", tick=self._name, error=str(error))
            except Exception as error:
                log.error("tick failed", tick=self._name, exc_info=error)
