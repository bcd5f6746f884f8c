"""Every service's tables, from empty and from each earlier shape with data in it, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from shared.storage.database import Database
from shared.storage.migrate import upgrade

pytestmark = pytest.mark.integration
ROOT = Path(__file__).resolve().parents[2]
SERVICES = sorted(folder.parent.name for folder in ROOT.glob("services/*/migrations") if (folder / "versions").is_dir())
# Full text is made by hand, since no model can declare it for both databases.
BY_HAND = ("knowledge_search", "knowledge_vocabulary", "'search'", "_search'")
MOMENT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def revisions(service: str) -> list[str]:
    """The revisions of a service's tables, oldest first."""
    folder = ROOT / "services" / service / "migrations" / "versions"
    script = ScriptDirectory(str(ROOT / "shared" / "storage" / "environment"), version_locations=[str(folder)])
    return [revision.revision for revision in reversed(list(script.walk_revisions()))]


EARLIER = [(service, revision) for service in SERVICES for revision in revisions(service)[:-1]]


def value_of(column: sa.Column[Any], number: int) -> Any:
    """A value that fits a column as the database describes it."""
    kind = column.type
    if isinstance(kind, sa.Boolean):
        return bool(number % 2)
    if isinstance(kind, sa.Integer | sa.BigInteger):
        return number
    if isinstance(kind, sa.Float | sa.Numeric):
        return number + 0.5
    if isinstance(kind, sa.DateTime):
        return MOMENT
    if isinstance(kind, sa.LargeBinary):
        return f"bytes {number}".encode()
    if isinstance(kind, sa.JSON):
        return {"number": number}
    return f"{column.name[:12]}-{number}"


def filled(database: Database) -> dict[str, list[dict[str, Any]]]:
    """Two rows in every table that has none, as they are read back."""
    metadata = sa.MetaData()
    metadata.reflect(database.engine)
    tables = [table for table in metadata.sorted_tables if not table.name.endswith("_version")]
    with database.engine.begin() as connection:
        for table in tables:
            for number in (1, 2):
                row = {column.name: value_of(column, number) for column in table.columns}
                connection.execute(table.insert(), row)
    return rows_of(database, {table.name: [column.name for column in table.columns] for table in tables})


def rows_of(database: Database, columns: dict[str, list[str]]) -> dict[str, list[dict[str, Any]]]:
    """What stands in these columns of these tables."""
    metadata = sa.MetaData()
    metadata.reflect(database.engine)
    read = {}
    with database.engine.connect() as connection:
        for name, wanted in columns.items():
            table = metadata.tables[name]
            query = sa.select(*(table.c[column] for column in wanted)).order_by(*table.primary_key.columns)
            read[name] = [dict(row._mapping) for row in connection.execute(query)]
    return read


@pytest.fixture
def empty(database_url: str) -> Iterator[Database]:
    database = Database(database_url)
    yield database
    database.close()


def test_every_service_that_stores_something_is_here() -> None:
    assert set(SERVICES) >= {"dialogue", "dispatch", "gateway", "knowledge"}


@pytest.mark.parametrize("service", SERVICES)
def test_from_empty_the_tables_are_those_the_code_expects(empty: Database, service: str) -> None:
    upgrade(empty, f"services.{service}.migrations")
    storage = import_module(f"services.{service}.storage")
    metadata: sa.MetaData = getattr(storage, "Base", storage).metadata

    with empty.engine.connect() as connection:
        differences = compare_metadata(MigrationContext.configure(connection), metadata)

    unexpected = [
        change for change in differences if not any(name in str(change) for name in (f"{service}_version", *BY_HAND))
    ]
    assert unexpected == []


@pytest.mark.parametrize(("service", "revision"), EARLIER)
def test_from_an_earlier_shape_every_row_is_still_there(empty: Database, service: str, revision: str) -> None:
    package = f"services.{service}.migrations"
    upgrade(empty, package, revision)
    before = filled(empty)
    assert all(len(rows) == 2 for rows in before.values()), before.keys()

    upgrade(empty, package)

    assert rows_of(empty, {table: list(rows[0]) for table, rows in before.items()}) == before


@pytest.mark.parametrize("service", SERVICES)
def test_a_second_upgrade_changes_nothing(empty: Database, service: str) -> None:
    package = f"services.{service}.migrations"
    upgrade(empty, package)
    tables = sa.inspect(empty.engine).get_table_names()

    upgrade(empty, package)

    assert sa.inspect(empty.engine).get_table_names() == tables
