"""Brings a service's tables to the newest shape with Alembic; each service has its own version table."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.exc import OperationalError

from shared.storage.database import Database

_ENVIRONMENT = Path(__file__).parent / "environment"
_LOCK = threading.Lock()  # Alembic's op proxy is one a process


def upgrade(database: Database, package: str, revision: str = "head") -> None:
    """Run the migrations in `package` ("services.dialogue.migrations") up to `revision`; does nothing when current.

    Raises Unavailable where the database does not answer.
    """
    folder = import_module(package).__file__
    if folder is None:
        raise ImportError(f"{package} has no __init__.py")
    service = package.split(".")[-2]
    config = Config()
    config.set_main_option("script_location", str(_ENVIRONMENT))
    config.set_main_option("version_locations", str(Path(folder).parent / "versions"))
    config.set_main_option("path_separator", "os")
    config.attributes["version_table"] = f"{service}_version"
    try:
        with _LOCK, database.engine.begin() as connection:
            if not database.is_sqlite:
                # Two replicas may start at once; SQLite's BEGIN IMMEDIATE already queues them.
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('parley-migrate'))")
            config.attributes["connection"] = connection
            command.upgrade(config, revision)
    except OperationalError as error:
        raise database.unavailable(error.orig) from error
