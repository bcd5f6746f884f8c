"""Parley as it is killed: replicas of every service in processes of their own, broker, database, outside systems."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from shared.storage.database import Database
from tests.chaos.load import OUTSIDE
from tests.outside_double import SECRET, OutsideDouble, outside_double
from tests.postgres import PostgresServer
from tests.stack import PARLEY, Stack, free_port, new_stack

BROKER, POSTGRES = "broker", "postgres"
_STATEFUL = ("gateway", "dialogue", "dispatch")
_CHECKOUT = Path(__file__).resolve().parents[2]
_SETTINGS = {
    "OMP_NUM_THREADS": "1",
    "PARLEY_LOG_LEVEL": "info",
    "PARLEY_DIALOGUE_OPEN_TURN_TIMEOUT_S": "60",
    "OUTSIDE_DOUBLE_SECRET": SECRET,
}


@dataclass
class Deployment:
    """What runs. A part is a group of services hosted together, the broker, or PostgreSQL."""

    stack: Stack
    double: OutsideDouble
    groups: Mapping[str, Sequence[str]]
    replicas: int
    entry: Sequence[str]
    postgres: PostgresServer | None
    database_url: str
    single: frozenset[str] = frozenset()  # groups with one replica
    ports: dict[str, int] = field(default_factory=dict)
    starts: dict[str, int] = field(default_factory=dict)  # how much a replica had printed when it was started last
    kills: list[str] = field(default_factory=list)

    @property
    def gateways(self) -> list[str]:
        """The HTTP addresses of the gateway's replicas."""
        return [f"http://127.0.0.1:{port}" for port in self.ports.values()]

    @property
    def kafka(self) -> str:
        """The broker's address."""
        return f"127.0.0.1:{self.stack.kafka_port}"

    def database(self, service: str) -> Database:
        """A service's database, to look into."""
        return Database(self.database_url or f"sqlite:///{self.stack.data_dir}/db/{service}.sqlite3")

    def parts(self) -> list[str]:
        """Everything that can be killed."""
        return [*self.groups, BROKER, *([POSTGRES] if self.postgres else [])]

    def start(self) -> None:
        """The broker first, then every replica; returns when all are ready."""
        self._start_broker()
        for name in self._names():
            self._start(name)
        self.wait_ready(600.0)

    def kill(self, part: str, chance: random.Random) -> None:
        """Kill -9 one replica of a part and, after a moment, start it again; returns when it runs (or is starting)."""
        pause = chance.uniform(0.2, 2.0)
        if part == POSTGRES:
            assert self.postgres is not None
            self.postgres.kill()
            time.sleep(pause)
            self.postgres.start()
            name = part
        else:
            name = part if part == BROKER else f"{part}-{chance.randrange(self._replicas_of(part))}"
            process = self.stack.processes[name]
            process.send_signal(signal.SIGKILL)
            process.wait()
            time.sleep(pause)
            self._start_broker() if part == BROKER else self._start(name)
        self.kills.append(name)

    def wait_ready(self, timeout: float = 120.0) -> None:
        """Wait until every replica has come up again since it was started last."""
        for name in self._names():
            self._wait_up(name, timeout)

    def _names(self) -> list[str]:
        return [f"{group}-{number}" for group in self.groups for number in range(self._replicas_of(group))]

    def _replicas_of(self, group: str) -> int:
        return 1 if group in self.single else self.replicas

    def _wait_up(self, name: str, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        while "ready:" not in self._output(name)[self.starts[name] :]:
            assert self.stack.processes[name].poll() is None, f"{name} ended:\n{self._output(name)[-3000:]}"
            assert time.monotonic() < deadline, f"{name} is not ready:\n{self._output(name)[-3000:]}"
            time.sleep(0.2)

    def _output(self, name: str) -> str:
        return self.stack.output(name)

    def _start_broker(self) -> None:
        started = self._output(BROKER).count("broker on") if BROKER in self.stack.processes else 0
        self._run(BROKER, [str(PARLEY), "broker"], {})
        deadline = time.monotonic() + 60
        while self._output(BROKER).count("broker on") <= started:
            assert time.monotonic() < deadline, self._output(BROKER)[-3000:]
            if self.stack.processes[BROKER].poll() is not None:  # the port of the one before is not free yet
                self._run(BROKER, [str(PARLEY), "broker"], {})
            time.sleep(0.1)

    def _start(self, name: str) -> None:
        group = name.rpartition("-")[0]
        services = self.groups[group]
        own = {"PARLEY_SERVER_GRPC_PORT": "0", "PARLEY_SERVER_METRICS_PORT": "0", "PARLEY_SERVER_HTTP_PORT": "0"}
        if "gateway" in services:
            own["PARLEY_SERVER_HTTP_PORT"] = str(self.ports.setdefault(name, free_port()))
        if self.database_url and set(services) <= set(_STATEFUL):
            own["PARLEY_STORAGE_DATABASE_URL"] = self.database_url
        self.starts[name] = len(self._output(name)) if name in self.stack.processes else 0
        self._run(name, [*self.entry, "serve", *services], own)

    def _run(self, name: str, command: Sequence[str], own: Mapping[str, str]) -> None:
        log = (self.stack.data_dir / f"{name}.log").open("ab")
        self.stack.logs.append(log)
        self.stack.processes[name] = subprocess.Popen(
            command,
            env={**self.stack.environment, "PYTHONPATH": str(_CHECKOUT), **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.stack.data_dir,
        )


@contextmanager
def deployed(
    folder: Path,
    groups: Mapping[str, Sequence[str]],
    *,
    replicas: int = 2,
    single: frozenset[str] = frozenset(),
    on_postgres: bool = True,
    turn_deadline: float = 12.0,
    drives: int = 8,
    inbox: bool = True,
) -> Iterator[Deployment]:
    """A running deployment. `inbox` False, for the test of the audit alone, forgets what was handled before."""
    folder.mkdir(parents=True, exist_ok=True)
    postgres = None
    url = ""
    if on_postgres:
        home = folder / "postgres"
        home.mkdir()
        for parent in (folder, *folder.parents[:3]):  # the server runs as another user
            if os.access(parent, os.W_OK) and parent != parent.parent and parent.stat().st_uid == os.geteuid():
                parent.chmod(parent.stat().st_mode | 0o011)
        postgres = PostgresServer(home, "max_connections=300", "shared_buffers=64MB")
        postgres.start()
        url = postgres.create("parley")
    targets = folder / "outside.toml"
    with outside_double(folder, slowness=0.3) as double:
        targets.write_text(double.targets({system: list(actions) for system, actions in OUTSIDE.items()}))
        settings = {
            "PARLEY_DISPATCH_WEBHOOKS": str(targets),
            "PARLEY_GATEWAY_TURN_DEADLINE_S": str(turn_deadline),
            "PARLEY_GATEWAY_MAX_DRIVES": str(drives),
        }
        stack = new_stack(folder / "data", **_SETTINGS, **settings)
        entry = [str(PARLEY)] if inbox else [sys.executable, "-m", "tests.chaos.without_inbox"]
        deployment = Deployment(stack, double, groups, replicas, entry, postgres, url, single)
        try:
            deployment.start()
            yield deployment
        finally:
            stack.stop()
            if postgres is not None:
                postgres.stop()
