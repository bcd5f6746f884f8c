"""Micro-batching: one engine call serves whatever is waiting, from Kafka and gRPC alike."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import Generic, TypeVar

from shared.errors import Overloaded, Unavailable
from shared.runtime import metrics, tracing

Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Timed(Generic[Result]):
    """A result and the seconds its engine call took (shared by everything in the batch)."""

    value: Result
    seconds: float


class Batcher(Generic[Request, Result]):
    """Runs `run` on batches of at most `max_batch` requests, one batch at a time, without lingering.

    A batch is whatever arrived while the one before it ran, so an idle engine answers at once and a busy one
    amortises. The queue is bounded: beyond `max_waiting` requests, `submit` raises Overloaded. `run` returns a result
    for every request, in order; where one of them is an exception it is raised for that request alone.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Request]], Sequence[Result | Exception]],
        *,
        name: str,
        max_batch: int = 32,
        max_waiting: int = 1024,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._name = name
        self._run = run
        self._max_batch = max_batch
        self._observe = observe
        self._queue: queue.Queue[tuple[Request, Future[Timed[Result]]] | None] = queue.Queue(max_waiting)
        self._closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._serve, name=f"batch-{name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests not yet in a batch."""
        return self._queue.qsize()

    def submit(self, request: Request, timeout: float = 120.0) -> Timed[Result]:
        """Wait for the result of `request`; raises what the engine raised, Overloaded or Unavailable."""
        with tracing.child(f"engine {self._name}", {}) as span:
            timed = self._submit(request, timeout)
            span.set_attribute("parley.engine.seconds", timed.seconds)
            return timed

    def _submit(self, request: Request, timeout: float) -> Timed[Result]:
        future: Future[Timed[Result]] = Future()
        with self._closing:
            if self._closed:
                raise Unavailable("engine is stopping; try again on another replica")
            try:
                self._queue.put_nowait((request, future))
            except queue.Full:
                waiting = f"{self._queue.maxsize} requests are waiting for the engine"
                raise Overloaded(waiting, retry_after=1.0) from None
        done, _ = wait([future], timeout)
        if not done:
            future.cancel()
            raise Unavailable(f"the engine has not answered in {timeout:.0f} s; try again")
        return future.result()

    def close(self, timeout: float = 10.0) -> None:
        """Finish what is waiting, within `timeout` seconds, then stop."""
        with self._closing:
            self._closed = True
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:  # the engine hangs; its thread ends with the process
            return
        self._thread.join(timeout)

    def _serve(self) -> None:
        while (first := self._queue.get()) is not None:
            batch = [first]
            last = False
            while len(batch) < self._max_batch:
                try:
                    item = self._queue.get_nowait()
                except queue.Empty:
                    break
                if item is None:
                    last = True
                    break
                batch.append(item)
            metrics.ENGINE_WAITING.labels(self._name).set(self._queue.qsize())
            self._answer(batch)
            if last:
                return

    def _answer(self, taken: Sequence[tuple[Request, Future[Timed[Result]]]]) -> None:
        batch = [(request, future) for request, future in taken if future.set_running_or_notify_cancel()]
        if not batch:
            return
        started = time.perf_counter()
        try:
            results = self._run([request for request, _ in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"the engine gave {len(results)} results for {len(batch)} requests")
        except Exception as error:  # noqa: BLE001 - the edge of the engine: every waiting caller gets the error
            for _, future in batch:
                future.set_exception(error)
            return
        seconds = time.perf_counter() - started
        if self._observe is not None:
            self._observe(len(batch), seconds)
        for (_, future), result in zip(batch, results, strict=True):
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(Timed(result, seconds))
