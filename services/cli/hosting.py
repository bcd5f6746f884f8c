"""Builds and hosts services: all of them in one process, or a few."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from typing import NoReturn

from services.cli.output import console
from shared.bus.embedded import EmbeddedBroker
from shared.bus.profile import BrokerProfile
from shared.errors import InvalidInput, Unavailable
from shared.packs.published import PublishedPacks
from shared.packs.watching import PackWatch
from shared.runtime.host import Host
from shared.runtime.service import Service
from shared.runtime.tracing import exported
from shared.settings import KafkaSettings, Section, ServerSettings, StorageSettings, TracingSettings

# Many threads that each do a little: at Python's 5 ms a turn would wait for the interpreter at every hop.
_SWITCH_SECONDS = 0.0005
_WITHOUT_PACKS = {"gateway"}
_SETTLE = 5.0  # seconds in which a process learns, before it starts, which packs are served
_LOOK_EVERY = 0.5  # seconds
SERVICES = ("gateway", "asr", "nlu", "dialogue", "knowledge", "dispatch", "generation")


def build(names: Sequence[str], storage: StorageSettings) -> list[Service]:
    """The named services, wired; raises InvalidInput for a name that is none."""
    for name in names:
        if name not in SERVICES:
            raise InvalidInput("service", name, f"is unknown; use one of {', '.join(SERVICES)}")
    return [import_module(f"services.{name}.service").build(storage) for name in names]


def prepare(names: Sequence[str], storage: StorageSettings) -> None:
    """What is done once and kept: keys, the trained model, the document index. Shows progress."""
    from shared.principals import ensure_keys

    ensure_keys(storage.data_dir)
    if "nlu" in names:
        from services.nlu.settings import NluSettings
        from services.nlu.training import ensure_served

        ensure_served(NluSettings.load().artifact, storage, console)
    if "knowledge" in names:
        from services.knowledge.ingest import ensure_index

        ensure_index(storage, console)


def migrated(storage: StorageSettings) -> Iterator[str]:
    """Bring the tables of every service that keeps any to their newest shape; the names, one after the other."""
    from shared.storage.database import Database
    from shared.storage.migrate import upgrade

    for name in SERVICES:
        package = f"services.{name}.migrations"
        if find_spec(package) is not None:
            database = Database(storage.database_for(name))
            try:
                with database.transaction() as session:
                    session.connection()  # one that does not answer says so here, by name
                upgrade(database, package)
            finally:
                database.close()
            yield name


@contextmanager
def broker(kafka: KafkaSettings, storage: StorageSettings) -> Iterator[EmbeddedBroker | None]:
    """The embedded broker while the block runs, kept alive; nothing where bootstrap servers are set."""
    if kafka.bootstrap_servers:
        yield None
        return
    embedded = EmbeddedBroker(kafka.embedded_port, storage.data_dir / "log" / "broker.log")
    embedded.start()
    stopping = threading.Event()
    # A child ends with the thread that started it, so the thread that restarts it lives as long as the process.
    keeper = threading.Thread(target=_keep_alive, args=(embedded, stopping), name="broker-keeper", daemon=True)
    keeper.start()
    try:
        yield embedded
    finally:
        stopping.set()
        keeper.join(timeout=3)
        embedded.stop()


@contextmanager
def hosted(names: Sequence[str], *, group: str | None = None, storage: StorageSettings | None = None) -> Iterator[Host]:
    """A running host of the named services; stopped when the block ends."""
    storage = storage or StorageSettings.load()
    sys.setswitchinterval(_SWITCH_SECONDS)
    host = Host(
        build(names, storage),
        kafka=KafkaSettings.load(),
        server=ServerSettings.load(),
        group=group or ("all" if set(names) == set(SERVICES) else "+".join(sorted(names))),
    )
    with exported(TracingSettings.load()):
        host.start()
        try:
            yield host
        finally:
            host.stop()


def run(names: Sequence[str], storage: StorageSettings, ready: Callable[[], None]) -> None:
    """Host the named services until the process is asked to end, anew whenever other packs are to be served.

    `ready` is called whenever a host is. One that gives way finishes what it has and commits; the next goes on there.
    """
    profile = BrokerProfile.of(KafkaSettings.load())
    watch = PackWatch(profile, PublishedPacks(storage.data_dir))
    if set(names) - _WITHOUT_PACKS:
        watch.start(settle=0.0 if profile.embedded else _SETTLE)
    ended = signalled()
    try:
        while not ended.is_set():
            watch.restarted()
            with hosted(names, storage=storage) as host:
                said = False
                while not ended.is_set() and not watch.changed.is_set():
                    if said:
                        ended.wait(_LOOK_EVERY)
                    elif host.wait_ready(_LOOK_EVERY):
                        said = True
                        ready()
                if not ended.is_set():
                    prepare(names, storage)  # while the packs before are still served
    finally:
        watch.stop()


def signalled() -> threading.Event:
    """Set when the process is asked to end (SIGINT or SIGTERM)."""
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    return asked


def wait_for_signal() -> None:
    """Return when the process is asked to end (SIGINT or SIGTERM)."""
    asked = signalled()
    while not asked.wait(1.0):
        pass


def leave() -> NoReturn:
    """End the process now: `Host.stop` has given what was under way its time, and a pool's threads hold up any exit."""
    sys.stdout.flush()
    sys.stderr.flush()
    logging.shutdown()
    os._exit(0)


def _keep_alive(embedded: EmbeddedBroker, stopping: threading.Event) -> None:
    """Start the broker again when it ends by itself; what it held is lost, and the ledger drives open turns again."""
    while not stopping.wait(0.2):
        if not embedded.alive():
            console.print("[yellow]the embedded broker ended; starting it again[/yellow]")
            try:
                embedded.start()
            except Unavailable as error:
                console.print(str(error), style="red", markup=False)
                stopping.wait(2.0)


def settings_sections() -> list[type[Section]]:
    """The groups of settings of every service."""
    modules = [import_module(f"services.{name}.settings") for name in SERVICES]
    return [
        each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Section) and each.__module__ == module.__name__
    ]
