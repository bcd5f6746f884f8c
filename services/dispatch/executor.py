"""Runs errands off the polling thread, a bounded number at once; what waits beyond that waits in SQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import structlog

from services.dispatch import metrics
from services.dispatch.errands import Errands
from shared.errors import ParleyError, TransientError
from shared.runtime.road_access import Road
from shared.storage.database import Database

log = structlog.get_logger(__name__)
_LOOK_EVERY = 0.25  # seconds, where nobody says that there is something to do
_LOOK_SELDOM = 5.0  # without outside systems: an errand can only be left from when there were some


class ErrandExecutor:
    """A thread that looks for due errands, and workers that run them."""

    def __init__(self, errands: Errands, database: Database, workers: int, *, seldom: bool = False) -> None:
        self._errands = errands
        self._database = database
        self._pause = _LOOK_SELDOM if seldom else _LOOK_EVERY
        self._workers = workers
        self._road: Road | None = None
        self._running: set[int] = set()
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="errand")
        self._thread = threading.Thread(target=self._serve, name="errands", daemon=True)

    def attach(self, road: Road) -> None:
        """Receive the way onto the road."""
        self._road = road

    def start(self) -> None:
        """Begin to look; what an earlier process left is taken up as its leases run out."""
        self._thread.start()

    def stop(self) -> None:
        """Take up nothing more. What is under way ends by itself or is taken up by the next process."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._woken.wait(self._pause)
            self._woken.clear()
            try:
                self._take_up()
            except TransientError as error:
                log.warning("errands put off", error=str(error))
                self._stopping.wait(1.0)
            except Exception as error:  # the edge of a thread that must outlive what it stumbles over
                log.error("errands failed", error=type(error).__name__, exc_info=error)
                self._stopping.wait(1.0)

    def _take_up(self) -> None:
        with self._lock:
            free = self._workers - len(self._running)
        if self._road is None or free <= 0 or self._stopping.is_set():
            return
        with self._database.reading() as reading:
            if not self._errands.some_due(reading):
                return
        with self._road.transaction() as session:
            due = self._errands.take_due(session.session, free)
        for number in due:
            with self._lock:
                self._running.add(number)
            metrics.ERRANDS.inc()
            self._pool.submit(self._run, number, self._road)

    def _run(self, number: int, road: Road) -> None:
        try:
            self._errands.run(number, road)
        except ParleyError as error:
            log.warning("errand put off", errand=number, error=str(error))
        except Exception as error:  # the edge of a worker: the errand is looked at again
            log.error("errand failed", errand=number, error=type(error).__name__, exc_info=error)
        finally:
            with self._lock:
                self._running.discard(number)
            metrics.ERRANDS.dec()
            self.wake()
