"""The engine behind a batcher: one call serves what waits, from Kafka and gRPC alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from parley.v1 import nlu_pb2
from services.nlu.engine import NluEngine, Request
from shared.errors import Unavailable
from shared.runtime.batcher import Batcher, Timed


class Understander:
    """Loads the engine by `make` and answers by it. `observe` gets the size and seconds of every engine call."""

    def __init__(
        self,
        make: Callable[[], NluEngine],
        *,
        max_batch: int,
        max_waiting: int,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._make = make
        self._engine: NluEngine | None = None
        self._batcher: Batcher[Request, nlu_pb2.Understanding] | None = None
        self._options = {"max_batch": max_batch, "max_waiting": max_waiting}
        self._observe = observe

    @property
    def version(self) -> str:
        """Version of the model that answers."""
        return self._loaded.version

    def load(self) -> None:
        """Load and warm the engine; raises InvalidArtifact or Unavailable."""
        engine = self._make()
        engine.warm_up()
        self._engine = engine
        self._batcher = Batcher(self._run, name="nlu", observe=self._observe, **self._options)

    def close(self) -> None:
        """Finish what waits."""
        if self._batcher is not None:
            self._batcher.close()

    def understand(self, text: str, locale: str = "", said_at: datetime | None = None) -> Timed[nlu_pb2.Understanding]:
        """Understand one text; raises Overloaded, or Unavailable before the engine is loaded."""
        if self._batcher is None:
            raise Unavailable("the language model is still loading; try again in a moment")
        request = Request(text, locale) if said_at is None else Request(text, locale, said_at)
        return self._batcher.submit(request)

    @property
    def _loaded(self) -> NluEngine:
        if self._engine is None:
            raise Unavailable("the language model is still loading; try again in a moment")
        return self._engine

    def _run(self, requests: Sequence[Request]) -> list[nlu_pb2.Understanding]:
        return self._loaded.understand_batch(requests)
