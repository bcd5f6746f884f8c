"""The whole of Parley in processes of its own, as an operator runs it, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any

from services.cli.hosting import SERVICES, prepare
from shared.settings import StorageSettings

PARLEY = Path(sys.executable).with_name("parley")


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def prepared_data_dir(folder: Path) -> Path:
    """A data folder of its own with this machine's models and document index, which are made where missing."""
    common = StorageSettings.load()
    prepare(SERVICES, common)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "models").symlink_to((common.data_dir / "models").resolve())
    (folder / "db").mkdir()
    for file in (common.data_dir / "db").glob("knowledge.sqlite3*"):
        shutil.copy(file, folder / "db" / file.name)
    return folder


@dataclass
class Stack:
    """Running processes, and where to reach them."""

    data_dir: Path
    environment: dict[str, str]
    http_port: int
    grpc_port: int
    metrics_port: int
    kafka_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    logs: list[IO[bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """The gateway's HTTP API."""
        return f"http://127.0.0.1:{self.http_port}"

    def start(self, name: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start `parley ARGUMENTS` under a name; its output goes to a file in the data folder."""
        log = (self.data_dir / f"{name}.log").open("ab")
        self.logs.append(log)
        process = subprocess.Popen(
            [str(PARLEY), *arguments],
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=self.data_dir,
        )
        self.processes[name] = process
        return process

    def run(self, *arguments: str, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one `parley` command to its end, `timeout` seconds at most."""
        return subprocess.run(
            [str(PARLEY), *arguments],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=self.data_dir,
            check=False,
        )

    def say(self, *arguments: str) -> dict[str, Any]:
        """`parley say ... --json`: the turn; raises AssertionError with what was printed where it fails."""
        done = self.run("say", *arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        turn: dict[str, Any] = json.loads(done.stdout)
        return turn

    def output(self, name: str) -> str:
        """What a process has printed so far."""
        return (self.data_dir / f"{name}.log").read_text(errors="replace")

    def wait_until_printed(self, name: str, text: str, timeout: float = 180.0) -> None:
        """Wait until a process has printed `text`."""
        deadline = time.monotonic() + timeout
        while text not in self.output(name):
            alive = self.processes[name].poll() is None
            assert alive and time.monotonic() < deadline, f"{name} did not print {text!r}:\n{self.output(name)[-3000:]}"
            time.sleep(0.1)

    def stop(self) -> dict[str, int]:
        """Ask every process to end; returns exit codes by name (-9 where one had to be killed)."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        codes = {}
        for name, process in self.processes.items():
            try:
                codes[name] = process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                codes[name] = process.wait()
        for log in self.logs:
            log.close()
        return codes


def new_stack(folder: Path, **environment: str) -> Stack:
    """A stack that is not started yet, with ports and a data folder of its own."""
    ports = [free_port() for _ in range(4)]
    data_dir = prepared_data_dir(folder)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return Stack(
        data_dir=data_dir,
        environment={
            **inherited,
            "PARLEY_STORAGE_DATA_DIR": str(data_dir),
            "PARLEY_SERVER_HTTP_PORT": str(ports[0]),
            "PARLEY_SERVER_GRPC_PORT": str(ports[1]),
            "PARLEY_SERVER_METRICS_PORT": str(ports[2]),
            "PARLEY_KAFKA_EMBEDDED_PORT": str(ports[3]),
            "PARLEY_KAFKA_SESSION_TIMEOUT_MS": "3000",
            **environment,
        },
        http_port=ports[0],
        grpc_port=ports[1],
        metrics_port=ports[2],
        kafka_port=ports[3],
    )


def wait_ready(stack: Stack, timeout: float = 180.0) -> float:
    """Wait until the one-process stack is ready; returns the seconds it took from now."""
    started = time.monotonic()
    states: Any = None
    while time.monotonic() - started < timeout:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{stack.metrics_port}/readyz", timeout=2) as response:
                states = json.load(response)
                return time.monotonic() - started
        except OSError as error:
            states = error
        assert stack.processes["up"].poll() is None, stack.output("up")[-3000:]
        time.sleep(0.1)
    raise AssertionError(f"not ready: {states}\n{stack.output('up')[-3000:]}")


@contextmanager
def one_process(folder: Path, **environment: str) -> Iterator[Stack]:
    """Everything in one process: `parley up`."""
    stack = new_stack(folder, **environment)
    stack.start("up", "up")
    try:
        wait_ready(stack)
        yield stack
    finally:
        stack.stop()


@contextmanager
def many_processes(
    folder: Path,
    replicas: int = 2,
    services: Sequence[str] = SERVICES,
    settings: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> Iterator[Stack]:
    """The broker and `replicas` processes of each service, every one on its own; `settings` of some services."""
    stack = new_stack(folder, OMP_NUM_THREADS="1")
    stack.start("broker", "broker")
    stack.wait_until_printed("broker", "broker on")
    try:
        for replica in range(replicas):
            for service in services:
                http = str(stack.http_port) if service == "gateway" and replica == 0 else "0"
                own = {
                    "PARLEY_SERVER_HTTP_PORT": http,
                    "PARLEY_SERVER_GRPC_PORT": "0",
                    "PARLEY_SERVER_METRICS_PORT": "0",
                    **settings.get(service, {}),
                }
                stack.start(f"{service}-{replica}", "serve", service, **own)
        for name in list(stack.processes):
            if name != "broker":
                stack.wait_until_printed(name, "ready:", timeout=300)
        yield stack
    finally:
        stack.stop()
