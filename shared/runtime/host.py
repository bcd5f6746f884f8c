"""The host: runs one service or all of them in one process, the same way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.bus.topics import ensure_topics
from shared.errors import ParleyError, TransientError
from shared.events import derived_id
from shared.runtime import metrics
from shared.runtime.grpc_server import GrpcServer
from shared.runtime.health import HealthServer
from shared.runtime.intake import Intake
from shared.runtime.lanes import Lanes, StatefulLane, StatelessLanes
from shared.runtime.publisher import Outbox, Publisher
from shared.runtime.road_access import RoadSession
from shared.runtime.service import Background, Service, Tick
from shared.runtime.ticks import Ticker
from shared.settings import KafkaSettings, ServerSettings
from shared.topology import REPLIES, TOPICS

log = structlog.get_logger(__name__)
_RELAY_AGE = timedelta(seconds=5)
_KEEP = timedelta(days=7)
_AGE_EVERY = 10.0  # seconds
_STOP_WITHIN = 9.0  # seconds; whoever sent SIGTERM waits for 10
_RPC_GRACE = 2.0
_CLOSE_WITHIN = 2.5  # of these seconds, those kept for committing and closing


@dataclass
class _RoadAccess:
    """The way onto the road for one service (see `shared.runtime.road_access`)."""

    outbox: Outbox
    host: Host

    def transaction(self) -> AbstractContextManager[RoadSession]:
        """Commits and publishes when the block ends."""
        return self._transaction()

    @contextmanager
    def _transaction(self) -> Iterator[RoadSession]:
        with self.outbox.transaction() as session:
            yield session

    def reply_partition(self) -> int | None:
        """A partition of parley.replies that this process reads."""
        partitions = self.host.partitions(REPLIES)
        return partitions[0] if partitions else None


class Host:
    """Runs services until stopped. Loading goes on in the background; readiness tells how far it is."""

    def __init__(
        self,
        services: Sequence[Service],
        *,
        kafka: KafkaSettings,
        server: ServerSettings,
        group: str,
        codecs: Codecs | None = None,
    ) -> None:
        for service in services:
            _check_wiring(service)
        self.services = list(services)
        self._kafka = kafka
        self._profile = BrokerProfile.of(kafka)
        self._group = f"{kafka.group_prefix}.{group}"
        self._codecs = codecs or Codecs()
        self._producer = Producer(self._profile, self._acknowledged if kafka.hand_over else None)
        self._states = dict.fromkeys((service.name for service in self.services), "starting")
        self._outboxes: dict[str, Outbox] = {}
        self._lanes: dict[str, Lanes] = {}
        self._tickers: list[Ticker] = []
        self._intake: Intake | None = None
        self._stopping = threading.Event()
        self._changing = threading.Lock()  # bringing up and stopping exclude each other
        self.grpc = GrpcServer(server.host, server.grpc_port, server.grpc_threads, self._is_loaded)
        try:
            self.health = HealthServer(server.host, server.metrics_port, self.readiness)
        except TransientError:
            self.grpc.stop(grace=0)
            raise
        self._tickers.append(Ticker("readiness", 0.5, self.readiness))
        self._starter = threading.Thread(target=self._bring_up, name="start", daemon=True)

    def start(self) -> None:
        """Open the ports and begin to load."""
        for service in self.services:
            if service.database and service.journal:
                publisher = Publisher(service.name, self._producer, self._codecs)
                self._outboxes[service.name] = Outbox(service.database, service.journal, publisher)
                if service.attach is not None:
                    service.attach(_RoadAccess(self._outboxes[service.name], self))
        self.health.start()
        self.grpc.start(self.services)
        self._tickers[0].start()
        self._starter.start()

    def readiness(self) -> dict[str, str]:
        """Each service's state: "ready", or what it waits for."""
        states = dict(self._states)
        consuming = self._intake is not None and self._intake.assigned
        problem = self._intake.problem if self._intake else ""
        for service in self.services:
            if self._stopping.is_set():
                states[service.name] = "stopping"
            elif states[service.name] == "loaded":
                waiting = f"waiting for partitions: {problem}" if problem else "waiting for partitions"
                states[service.name] = "ready" if consuming else waiting
            metrics.READY.labels(service.name).set(states[service.name] == "ready")
            self.grpc.set_serving(service, states[service.name] == "ready")
        self.grpc.set_all_serving(all(state == "ready" for state in states.values()))
        return states

    def wait_ready(self, timeout: float) -> bool:
        """Wait until every service is ready; False where time runs out."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline and not self._stopping.is_set():
            if all(state == "ready" for state in self.readiness().values()):
                return True
            time.sleep(0.05)
        return False

    def partitions(self, topic: str) -> list[int]:
        """Partitions of a topic that this process reads."""
        return self._intake.partitions(topic) if self._intake else []

    def stop(self) -> None:
        """Stop polling, finish or hand back, commit, close: within 10 seconds."""
        if self._stopping.is_set():
            return
        deadline = time.monotonic() + _STOP_WITHIN
        self._stopping.set()
        log.info("stopping", services=list(self._states))
        with self._changing:
            pass  # what was being brought up is up, and nothing more will be
        for ticker in self._tickers:
            ticker.stop_soon()
        leaving: list[Callable[[], object]] = [partial(self.grpc.stop, _RPC_GRACE)]
        leaving.extend(background.stop for service in self.services for background in service.background)
        _side_by_side(leaving, _RPC_GRACE + 1)
        if self._intake:
            self._intake.stop_taking()
        for lanes in self._lanes.values():
            lanes.stop()
        finished = deadline - _CLOSE_WITHIN
        for lanes in self._lanes.values():
            lanes.join(_left(finished))
        for ticker in self._tickers:
            ticker.stop(_left(finished))
        noting: list[Callable[[], object]] = [outbox.close for outbox in self._outboxes.values()]
        if self._intake:
            noting.append(partial(self._intake.stop, _left(deadline)))
        _side_by_side(noting, _left(deadline))
        closing: list[Callable[[], object]] = [partial(self._producer.close, _left(deadline)), self.health.stop]
        closing.extend(service.close for service in self.services)
        _side_by_side(closing, _left(deadline))
        log.info("stopped")

    def _acknowledged(self, record: Fetched) -> None:
        """A record of ours is durable: what this process itself reads next need not wait for a fetch."""
        if self._intake is not None:
            self._intake.take_ahead(record)

    def _is_loaded(self, name: str) -> bool:
        return self._states.get(name) == "loaded"

    def _bring_up(self) -> None:
        loaders = [
            threading.Thread(target=self._load, args=(service,), name=f"load-{service.name}", daemon=True)
            for service in self.services
        ]
        for loader in loaders:
            loader.start()
        for loader in loaders:
            loader.join()
        with self._changing:
            if not self._stopping.is_set():
                self._open()

    def _open(self) -> None:
        """Everything is loaded: take work in."""
        for service in self.services:
            self._open_lanes(service)
        self._intake = Intake(
            self._profile,
            self._group,
            self.services,
            self._lanes,
            Publisher("intake", self._producer, self._codecs),
            self._codecs,
            lambda: ensure_topics(self._profile, self._kafka),
            self._producer.renew,
        )
        self._intake.start()
        for service in self.services:
            for background in service.background:
                self._start_background(service, background)

    def _start_background(self, service: Service, background: Background) -> None:
        try:
            background.start()
        except Exception as error:
            refused = isinstance(error, ParleyError)
            self._states[service.name] = f"refused: {error}" if refused else f"failed: {type(error).__name__}"
            state = self._states[service.name]
            log.error("background does not start", service=service.name, state=state, exc_info=not refused and error)

    def _load(self, service: Service) -> None:
        """Load one service; what may help later is tried again, what cannot is said in readiness."""
        backoff = 0.5
        while not self._stopping.is_set():
            self._states[service.name] = "loading"
            started = time.perf_counter()
            try:
                service.load()
            except TransientError as error:
                self._states[service.name] = f"waiting: {error}"
            except ParleyError as error:
                self._states[service.name] = f"refused: {error}"
                backoff = 5.0
            except Exception as error:
                self._states[service.name] = f"failed: {type(error).__name__}"
                log.error("service does not load", service=service.name, exc_info=error)
                backoff = 5.0
            else:
                self._states[service.name] = "loaded"
                log.info("service loaded", service=service.name, seconds=round(time.perf_counter() - started, 2))
                return
            log.warning("service not loaded", service=service.name, state=self._states[service.name])
            self._stopping.wait(backoff)
            backoff = min(10.0, backoff * 2)

    def _open_lanes(self, service: Service) -> None:
        outbox = self._outboxes.get(service.name)
        if service.stateful_handler is not None:
            self._lanes[service.name] = StatefulLane(service, service.stateful_handler, self._outboxes[service.name])
        elif service.handler is not None:
            publisher = Publisher(service.name, self._producer, self._codecs)
            self._lanes[service.name] = StatelessLanes(service, service.handler, publisher)
        if outbox is not None:
            tickers = [
                Ticker(f"{service.name}-relay", 2.0, partial(outbox.relay, _RELAY_AGE)),
                Ticker(f"{service.name}-age", _AGE_EVERY, partial(_measure, service.name, outbox)),
                Ticker(f"{service.name}-forget", 3600.0, partial(_forget, outbox)),
                *(Ticker(f"{service.name}-tick", tick.seconds, partial(_run, tick, outbox)) for tick in service.ticks),
            ]
            for ticker in tickers:
                ticker.start()
            self._tickers.extend(tickers)


def _check_wiring(service: Service) -> None:
    """Raise ValueError where a service asks for what it cannot have: a mistake in its `build`."""
    stateful = service.stateful_handler is not None
    if (stateful or service.ticks or service.attach) and not (service.database and service.journal):
        raise ValueError(f"{service.name}: a stateful handler, ticks and attach need a database and a journal")
    topics = {*service.subscriptions, *service.always_reads}
    if bool(topics) != (stateful or service.handler is not None) or (stateful and service.handler is not None):
        raise ValueError(f"{service.name}: subscriptions need one handler, and a handler subscriptions")
    if unknown := topics - TOPICS.keys():
        raise ValueError(f"{service.name}: subscribes to {sorted(unknown)}, which the topology does not declare")


def _left(deadline: float) -> float:
    return max(0.1, deadline - time.monotonic())


def _side_by_side(calls: Sequence[Callable[[], object]], seconds: float) -> None:
    """Make every call in a thread of its own and wait for them, `seconds` at most: one that hangs holds up no other."""
    deadline = time.monotonic() + seconds
    threads = [threading.Thread(target=_logged, args=(call,), name="stop", daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))


def _logged(call: Callable[[], object]) -> None:
    try:
        call()
    except Exception as error:
        log.error("does not stop as it should", exc_info=error)


def _run(tick: Tick, outbox: Outbox) -> None:
    """One tick in a transaction of its own. What it sends is caused by nothing but itself, so its bodies name it."""
    with outbox.transaction() as road:
        for outgoing in tick.run(road.session):
            turn_id = getattr(outgoing.body, "turn_id", "")
            road.send(outgoing, cause_id=derived_id("tick", outgoing.key, turn_id, outgoing.discriminator))


def _measure(service: str, outbox: Outbox) -> None:
    with outbox.database.reading() as session:
        oldest = outbox.journal.oldest_unsent(session)
    age = (datetime.now(UTC) - oldest).total_seconds() if oldest else 0.0
    metrics.OUTBOX_AGE.labels(service).set(max(0.0, age))


def _forget(outbox: Outbox) -> None:
    with outbox.database.transaction() as session:
        outbox.journal.forget(session, _KEEP)
