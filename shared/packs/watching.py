"""Follows `parley.packs` in every process: stores what is published, and says when another set is to be served."""

from __future__ import annotations

import threading

import structlog
from google.protobuf.message import Message

from parley.v1 import packs_pb2
from shared.bus.profile import BrokerProfile
from shared.bus.tail import Tail
from shared.errors import InvalidPack
from shared.packs.published import PublishedPacks, in_order
from shared.topology import PACKS

ACTIVE = "/active"
REFUSED = "/refused/"
log = structlog.get_logger(__name__)


class PackWatch:
    """`changed` is set when the set that is served is another one than this process was started with."""

    def __init__(self, profile: BrokerProfile, packs: PublishedPacks) -> None:
        self.changed = threading.Event()
        self._packs = packs
        self._running = in_order(packs.active())
        self._wanted: tuple[packs_pb2.PackRef, ...] | None = None
        self._tail = Tail(profile, PACKS, self.tell, lambda _: None)

    def start(self, settle: float = 0.0) -> None:
        """Begin to follow; wait `settle` seconds at most for what the topic holds already."""
        self._tail.start()
        if settle:
            self._tail.caught_up.wait(settle)

    def stop(self) -> None:
        """Follow no more."""
        self._tail.stop()

    def restarted(self) -> None:
        """The process serves what is active now."""
        self._running = in_order(self._packs.active())
        self.changed.clear()
        self._compare()

    def tell(self, _: str, body: Message) -> None:
        """One event of the topic."""
        assert isinstance(body, packs_pb2.PackState)
        if body.HasField("published"):
            try:
                self._packs.store(body.published)
            except InvalidPack as error:  # nlu says so on the topic, and never has it served
                log.warning("published pack refused", pack=body.published.pack.name, field=error.field)
        elif body.HasField("active"):
            self._wanted = in_order(body.active.packs)
        self._compare()

    def _compare(self) -> None:
        """Have the wanted set served once all of it is here."""
        if self._wanted is None or self._wanted == self._running or self.changed.is_set():
            return
        if all(self._packs.path_of(ref).is_dir() for ref in self._wanted):
            self._packs.serve(self._wanted)
            log.info("packs change", packs=[f"{ref.name} {ref.version}" for ref in self._wanted])
            self.changed.set()
