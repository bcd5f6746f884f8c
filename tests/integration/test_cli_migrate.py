"""`parley migrate`: the tables of every service, before any of them starts."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from services.cli.hosting import SERVICES, build, migrated
from shared.errors import Unavailable
from shared.settings import StorageSettings
from shared.storage.database import Database

pytestmark = pytest.mark.integration


@pytest.fixture
def storage(database_url: str) -> StorageSettings:
    return StorageSettings.load(database_url=database_url)


def test_every_service_with_state_finds_its_tables_current(storage: StorageSettings, database: Database) -> None:
    done = list(migrated(storage))

    keeping = {service.name for service in build(SERVICES, storage) if service.database is not None} | {"knowledge"}
    assert set(done) == keeping
    with database.reading() as session:
        tables = sa.inspect(session.connection()).get_table_names()
    assert {f"{name}_version" for name in done} <= set(tables)


def test_migrating_again_changes_nothing(storage: StorageSettings, database: Database) -> None:
    def revisions() -> dict[str, str]:
        with database.reading() as session:
            return {
                name: session.execute(sa.text(f"SELECT version_num FROM {name}_version")).scalar_one() for name in done
            }

    done = list(migrated(storage))
    before = revisions()
    assert list(migrated(storage)) == done
    assert revisions() == before


def test_a_database_that_does_not_answer_is_named_without_its_password() -> None:
    storage = StorageSettings.load(database_url="postgresql+psycopg://parley:secret@127.0.0.1:1/parley")
    with pytest.raises(Unavailable) as error:
        list(migrated(storage))
    assert "127.0.0.1:1" in str(error.value) and "secret" not in str(error.value)
