"""The turns that the gateway gives up, as `parley.given-up` tells of them: what comes for them later stays unsaid."""

from __future__ import annotations

import threading
from collections import OrderedDict

from google.protobuf.message import Message

from parley.v1 import turn_pb2

_MOST = 100_000  # turns; a late one is late by minutes, and this many are given up in no such time


class GivenUp:
    """A bounded memory, filled from the topic by a thread of its own. The oldest are forgotten first."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._turns: OrderedDict[str, None] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, _: str, body: Message) -> None:
        """A turn is being given up."""
        if not isinstance(body, turn_pb2.GivenUp):
            return
        with self._lock:
            self._turns[body.turn_id] = None
            while len(self._turns) > self._most:
                self._turns.popitem(last=False)

    def forget(self, key: str) -> None:
        """A key without a body says nothing here: the topic is not compacted."""

    def __contains__(self, turn_id: str) -> bool:
        with self._lock:
            return turn_id in self._turns
