"""One service's database: SQLite (WAL) by default, PostgreSQL by URL."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from shared.errors import InvalidSettings, Unavailable

_READS_ONLY = "parley_reads_only"


class Base(DeclarativeBase):
    """Base of the tables every stateful service has: inbox and outbox. A service's own Base derives its metadata."""


class Database:
    """Sessions on one database.

    `url`: any SQLAlchemy URL; for SQLite the file's folder is made. Transactions on SQLite begin IMMEDIATE, so two
    processes queue for the write lock (30 s at most) instead of failing halfway.
    """

    def __init__(self, url: str, *, pool_size: int = 8) -> None:
        try:
            parsed = sqlalchemy.make_url(url)
            parsed.get_dialect().import_dbapi()
        except (sqlalchemy.exc.ArgumentError, ImportError) as error:
            # It may hold a password, and then it is shown to nobody.
            shown = re.sub(r":.*@", "://***@", url)
            remedy = "is no database URL of ours; use sqlite:///file.db or postgresql+psycopg://user:password@host/name"
            raise InvalidSettings("PARLEY_STORAGE_DATABASE_URL", shown, remedy) from error
        self.url = parsed
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        # An error's text would show the values of the statement that failed: people's words.
        arguments: dict[str, Any] = {"pool_pre_ping": not self.is_sqlite, "hide_parameters": True}
        if self.is_sqlite:
            if parsed.database and parsed.database != ":memory:":
                _make_folder(Path(parsed.database).parent)
            arguments["connect_args"] = {"timeout": 30, "check_same_thread": False}
        if not self.is_sqlite or parsed.database not in (None, "", ":memory:"):
            # Those beyond the pool are opened for one use: SQLite has as many as there are threads, and keeps no more.
            arguments |= {"pool_size": pool_size, "max_overflow": pool_size * (4 if self.is_sqlite else 1)}
        self.engine = sqlalchemy.create_engine(parsed, **arguments)
        if self.is_sqlite:
            event.listen(self.engine, "connect", _configure_sqlite)
            event.listen(self.engine, "begin", _begin_immediate)
        self._sessions = sessionmaker(self.engine, expire_on_commit=False)

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session that commits when the block ends and rolls back when it raises; Unavailable if nothing answers."""
        try:
            with self._sessions.begin() as session:
                yield session
        except OperationalError as error:
            raise self.unavailable(error.orig) from error
        except PoolTimeoutError as error:
            raise self.unavailable("every connection is in use") from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads: on SQLite it sees a snapshot and queues behind no writer."""
        try:
            with self.engine.connect() as connection:
                connection.execution_options(**{_READS_ONLY: True})
                with self._sessions(bind=connection) as session:
                    yield session
        except OperationalError as error:
            raise self.unavailable(error.orig) from error
        except PoolTimeoutError as error:
            raise self.unavailable("every connection is in use") from error

    def close(self) -> None:
        """Give back every connection."""
        self.engine.dispose()

    def unavailable(self, reason: object) -> Unavailable:
        """What is said where it does not answer; never its password."""
        return Unavailable(f"database {self.url.render_as_string(hide_password=True)}: {reason}")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = f"cannot be made ({error.strerror}); set PARLEY_STORAGE_DATA_DIR to a folder of yours"
        raise InvalidSettings("PARLEY_STORAGE_DATA_DIR", str(folder), remedy) from error


_PAGE_CACHE = "cache_size=-1024"  # KiB a connection; the operating system caches the file for all of them


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's pysqlite begins too late otherwise; `_begin_immediate` does it
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON", "busy_timeout=30000", _PAGE_CACHE):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: sqlalchemy.Connection) -> None:
    reads_only = connection.get_execution_options().get(_READS_ONLY, False)
    connection.exec_driver_sql("BEGIN" if reads_only else "BEGIN IMMEDIATE")
