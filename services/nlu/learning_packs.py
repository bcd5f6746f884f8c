"""Learns packs that come by event, while the ones before are still served, and then has the new set served.

nlu decides when a set is served, as it is the service that needs time for it: until its model knows the packs, nobody
serves them. The model is trained by a process of its own, with what processor time the turns leave.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import structlog
from google.protobuf.message import Message

from parley.v1 import packs_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import encode
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.bus.tail import Tail
from shared.errors import InvalidInput, ParleyError, Unavailable
from shared.events import Outgoing
from shared.packs.installed import with_published
from shared.packs.loader import load_pack
from shared.packs.published import PublishedPacks, archived, in_order
from shared.packs.watching import ACTIVE, REFUSED
from shared.settings import StorageSettings
from shared.topology import PACKS

log = structlog.get_logger(__name__)
_SETTLE = 1.0  # seconds without another event before it begins: packs may be published in a row
_AGAIN_AFTER = 10.0  # seconds after a training that failed
_MOST_TRAININGS = 3  # of one set, before it is refused
_CANDIDATE = "candidate.json"
_SAID_AT_MOST = 500  # characters of a reason


class PackLearner:
    """A background of nlu. `own_model`: whether nlu serves an operator's own model, and nothing is to be trained."""

    def __init__(self, profile: BrokerProfile, storage: StorageSettings, own_model: Callable[[], bool]) -> None:
        self._profile = profile
        self._own_model = own_model
        self._packs = PublishedPacks(storage.data_dir)
        self._published: dict[str, packs_pb2.PublishedPack | packs_pb2.PackRef] = {}
        if profile.embedded:  # that broker forgets; the data folder does not
            self._published = {ref.name: ref for ref in self._packs.active()}
        self._active: tuple[packs_pb2.PackRef, ...] = in_order(self._packs.active()) if profile.embedded else ()
        self._announced: tuple[packs_pb2.PackRef, ...] = ()  # what the topic says is served
        self._refused: set[str] = set()  # digests
        self._failed: Counter[tuple[str, ...]] = Counter()  # digests of a set -> trainings that failed
        self._lock = threading.Lock()
        self._told = threading.Event()
        self._stopping = threading.Event()
        self._training: subprocess.Popen[str] | None = None
        self._tail = Tail(profile, PACKS, self.tell, lambda _: None)
        self._thread = threading.Thread(target=self._learn, name="pack-learner", daemon=True)

    def start(self) -> None:
        """Begin to follow the topic."""
        self._tail.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop; a training under way is ended, and begun again by whoever comes next."""
        self._stopping.set()
        self._told.set()
        with self._lock:
            if self._training is not None:
                self._training.terminate()
        self._tail.stop()
        self._thread.join(2.0)

    def tell(self, _: str, body: Message) -> None:
        """One event of the topic."""
        assert isinstance(body, packs_pb2.PackState)
        with self._lock:
            if body.HasField("published"):
                self._published[body.published.pack.name] = body.published
            elif body.HasField("active"):
                self._active = self._announced = in_order(body.active.packs)
            elif body.HasField("withdrawn"):
                self._published.pop(body.withdrawn.name, None)
            else:
                self._refused.add(body.refused.pack.digest)
        self._told.set()

    def _remind(self) -> None:
        """Publish again what the data folder holds and the broker has forgotten."""
        for ref in self._active:
            state = packs_pb2.PackState(published=archived(load_pack(self._packs.path_of(ref))))
            self._send(ref.name, state)

    def _learn(self) -> None:
        while self._active and not self._stopping.is_set():
            try:
                self._remind()
                break
            except Unavailable:
                self._stopping.wait(_SETTLE)
        while not self._stopping.is_set():
            self._told.wait()
            while self._told.is_set() and not self._stopping.wait(_SETTLE):
                self._told.clear()
            if self._stopping.is_set() or not self._tail.caught_up.wait(_SETTLE):
                self._told.set()  # what is known yet may be half of it
                continue
            try:
                if not self._decide():
                    self._stopping.wait(_AGAIN_AFTER)
                    self._told.set()
            except ParleyError as error:  # a broker or store that is away: what was decided is decided again
                log.warning("packs wait", error=str(error))
                self._stopping.wait(_AGAIN_AFTER)
                self._told.set()

    def _decide(self) -> bool:
        """Have what is published served, if it is not; False where the training failed and may go better again."""
        with self._lock:
            published = [each for _, each in sorted(self._published.items())]
            served, announced, refused = self._active, self._announced, set(self._refused)
        refs: list[packs_pb2.PackRef] = []
        for each in published:
            ref = each.pack if isinstance(each, packs_pb2.PublishedPack) else each
            if ref.digest in refused:
                refs += [before for before in served if before.name == ref.name]  # what was served before goes on
                continue
            try:
                if isinstance(each, packs_pb2.PublishedPack):
                    self._packs.store(each)
                with_published([self._packs.path_of(known) for known in (*refs, ref)])
            except InvalidInput as error:
                self._refuse(ref, str(error))
                return True  # the refusal comes back, and the rest is decided then
            refs.append(ref)
        if in_order(refs) == served == announced:
            return True
        version = "" if self._own_model() else self._train(refs)
        if version is None:
            return self._failed_again(refs, served)
        active = packs_pb2.PackSet(packs=in_order(refs), model_version=version)
        active.at.FromDatetime(datetime.now(UTC))
        self._send(ACTIVE, packs_pb2.PackState(active=active))
        return True

    def _failed_again(self, refs: Sequence[packs_pb2.PackRef], served: Sequence[packs_pb2.PackRef]) -> bool:
        """Refuse what is new in a set that cannot be learnt; False while it may be tried again."""
        digests = tuple(ref.digest for ref in refs)
        self._failed[digests] += not self._stopping.is_set()
        if self._failed[digests] < _MOST_TRAININGS:
            return False
        for ref in refs:
            if ref not in served:
                self._refuse(ref, f"pack: {ref.name!r} cannot be learnt; nlu's log says why")
        return True

    def _train(self, refs: Sequence[packs_pb2.PackRef]) -> str | None:
        """The version of the model that knows the packs, trained where there is none; None where that failed."""
        candidate = self._packs.folder / _CANDIDATE
        self._packs.serve(refs, candidate)
        log.info("learning packs", packs=[f"{ref.name} {ref.version}" for ref in refs])
        with self._lock:
            if self._stopping.is_set():
                return None
            self._training = subprocess.Popen(
                ["nice", "-n", "10", sys.executable, "-m", "services.nlu.training"],
                env={**os.environ, "PARLEY_PACKS_PUBLISHED": str(candidate), "PYTHONPATH": os.pathsep.join(sys.path)},
                stdout=subprocess.PIPE,
                text=True,
            )
        told, _ = self._training.communicate()
        code = self._training.returncode
        with self._lock:
            self._training = None
        if code != 0:
            log.error("packs are not learnt", code=code)
            return None
        return told.strip().splitlines()[-1]

    def _refuse(self, ref: packs_pb2.PackRef, reason: str) -> None:
        log.warning("published pack refused", pack=ref.name, version=ref.version)
        refusal = packs_pb2.RefusedPack(pack=ref, reason=reason[:_SAID_AT_MOST])
        self._send(f"{REFUSED}{ref.name}", packs_pb2.PackState(refused=refusal))

    def _send(self, key: str, state: packs_pb2.PackState) -> None:
        producer = Producer(self._profile)
        try:
            producer.send(
                [
                    encode(
                        Outgoing(PACKS, key, state),
                        source="nlu",
                        cause_id=str(uuid.uuid4()),
                        inherited={},
                        codecs=Codecs(),
                    )
                ]
            )
        finally:
            producer.close()
