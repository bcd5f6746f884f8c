"""Settings: from the environment, else from one file, else the default; a bad value names the field and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from services.cli.doctor import known_variables
from services.cli.hosting import settings_sections
from services.cli.output import errors_shown
from shared.errors import InvalidSettings
from shared.settings import KafkaSettings, LogSettings, Section, ServerSettings, StorageSettings
from shared.storage.database import Database

pytestmark = pytest.mark.unit


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without parley.toml, and no variable of ours."""
    import os

    for name in list(os.environ):
        if name.startswith("PARLEY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def _all_sections(base: type[Section]) -> Iterator[type[Section]]:
    """Every group of settings, of the services too."""
    settings_sections()  # imports them
    for section in base.__subclasses__():
        yield section
        yield from _all_sections(section)


BAD_VALUES = [
    # section, variable, value, what the error must say besides
    (KafkaSettings, "PARLEY_KAFKA_EMBEDDED_PORT", "80", "greater than or equal to 1024"),
    (KafkaSettings, "PARLEY_KAFKA_EMBEDDED_PORT", "ninety", "valid integer"),
    (KafkaSettings, "PARLEY_KAFKA_ROAD_PARTITIONS", "0", "greater than or equal to 1"),
    (KafkaSettings, "PARLEY_KAFKA_FETCH_WAIT_MS", "-1", "greater than or equal to 1"),
    (KafkaSettings, "PARLEY_KAFKA_SESSION_TIMEOUT_MS", "1e9", "valid integer"),
    (KafkaSettings, "PARLEY_KAFKA_REPLICATION_FACTOR", "10", "less than or equal to 9"),
    (KafkaSettings, "PARLEY_KAFKA_GROUP_PREFIX", "a b", "pattern"),
    (KafkaSettings, "PARLEY_KAFKA_BOOTSTRAP_SERVERS", "kafka", "write for example kafka-1:9092"),
    (KafkaSettings, "PARLEY_KAFKA_BOOTSTRAP_SERVERS", "kafka:9092,kafka:http", "write for example kafka-1:9092"),
    (KafkaSettings, "PARLEY_KAFKA_BOOTSTRAP_SERVERS", "kafka:99999", "write for example kafka-1:9092"),
    (KafkaSettings, "PARLEY_KAFKA_TRUSTED_TOPICS", "parley.utterances", 'write a list as ["one", "two"]'),
    (LogSettings, "PARLEY_LOG_LEVEL", "loud", "debug|info|warning|error"),
    (LogSettings, "PARLEY_LOG_FORMAT", "xml", "console|json"),
    (ServerSettings, "PARLEY_SERVER_GRPC_PORT", "65536", "less than or equal to 65535"),
    (ServerSettings, "PARLEY_SERVER_HTTP_PORT", "http", "valid integer"),
    (ServerSettings, "PARLEY_SERVER_METRICS_PORT", "-1", "greater than or equal to 0"),
    (ServerSettings, "PARLEY_SERVER_GRPC_THREADS", "0", "greater than or equal to 1"),
]


@pytest.mark.parametrize(("section", "variable", "value", "remedy"), BAD_VALUES, ids=lambda each: str(each)[:40])
def test_a_bad_value_in_the_environment_is_named_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, section: type[Section], variable: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(InvalidSettings) as refusal:
        section.load()

    assert variable in str(refusal.value)
    assert repr(value) in str(refusal.value)
    assert remedy in str(refusal.value)


BAD_FILES = [
    # content of parley.toml, what the error must say
    (b"[kafka]\nembedded_port = 80\n", ["embedded_port under [kafka]", "80", "1024"]),
    (b"[kafka]\nembeded_port = 8080\n", ["embeded_port under [kafka]", "8080", "is unknown; remove it"]),
    (b"[kafka]\nroad_partitions = [1]\n", ["road_partitions under [kafka]", "[1]", "valid integer"]),
    (b"kafka = 3\n", ["kafka in", "3", "write settings under [kafka]"]),
    (b"[kafka\n", ["PARLEY_CONFIG", "parley.toml", "is not TOML"]),
    (b"\xff\xfe", ["PARLEY_CONFIG", "parley.toml", "is not TOML"]),
]


@pytest.mark.parametrize(("content", "says"), BAD_FILES, ids=lambda each: str(each)[:40])
def test_a_bad_file_is_named_with_its_remedy(tmp_path: Path, content: bytes, says: list[str]) -> None:
    (tmp_path / "parley.toml").write_bytes(content)

    with pytest.raises(InvalidSettings) as refusal:
        KafkaSettings.load()

    assert all(part in str(refusal.value) for part in says), str(refusal.value)


def test_a_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PARLEY_CONFIG", str(tmp_path / "missing.toml"))

    with pytest.raises(InvalidSettings, match=r"PARLEY_CONFIG: .*missing\.toml.* name a TOML file or unset it"):
        LogSettings.load()


BAD_DATABASES = [
    ("not a url", "use sqlite:///file.db or postgresql+psycopg://"),
    ("mysql+nothing://user:secret@host/parley", "use sqlite:///file.db or postgresql+psycopg://"),
    ("oracle://user:secret@host/parley", "use sqlite:///file.db or postgresql+psycopg://"),
    ("postgresql+psycopg:user:secret@host", "use sqlite:///file.db or postgresql+psycopg://"),
]


@pytest.mark.parametrize(("url", "remedy"), BAD_DATABASES)
def test_a_database_url_that_cannot_be_used_is_named_without_its_password(url: str, remedy: str) -> None:
    with pytest.raises(InvalidSettings) as refusal:
        Database(url)

    assert "PARLEY_STORAGE_DATABASE_URL" in str(refusal.value)
    assert remedy in str(refusal.value)
    assert "secret" not in str(refusal.value)


def test_a_data_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file, where the folder should be")
    storage = StorageSettings.load(data_dir=tmp_path / "file")

    with pytest.raises(InvalidSettings, match=r"PARLEY_STORAGE_DATA_DIR: .*file.* to a folder of yours"):
        Database(storage.database_for("dialogue"))


def test_the_environment_goes_before_the_file_and_the_file_before_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "elsewhere.toml"
    file.write_text("[server]\ngrpc_port = 1111\nhttp_port = 2222\n")
    monkeypatch.setenv("PARLEY_CONFIG", str(file))
    monkeypatch.setenv("PARLEY_SERVER_GRPC_PORT", "3333")

    server = ServerSettings.load()

    assert (server.grpc_port, server.http_port, server.metrics_port) == (3333, 2222, 8902)


def test_one_file_serves_every_section(tmp_path: Path) -> None:
    (tmp_path / "parley.toml").write_text('[log]\nlevel = "debug"\n[kafka]\ntrusted_topics = ["parley.utterances"]\n')

    assert LogSettings.load().level == "debug"
    assert KafkaSettings.load().trusted_topics == ("parley.utterances",)
    assert ServerSettings.load().grpc_port == 8901


def test_lists_of_servers_may_hold_spaces() -> None:
    assert KafkaSettings.load(bootstrap_servers=" one:9092 , two:9092,").bootstrap_servers == "one:9092,two:9092"


def test_each_service_has_a_database_file_of_its_own_unless_a_database_is_named(tmp_path: Path) -> None:
    files = StorageSettings.load(data_dir=tmp_path)
    server = StorageSettings.load(database_url="postgresql+psycopg://parley@db/parley")

    assert files.database_for("dialogue") == f"sqlite:///{tmp_path}/db/dialogue.sqlite3"
    assert server.database_for("dialogue") == server.database_for("dispatch") == server.database_url


def test_the_command_line_shows_every_word_of_a_refusal(capsys: pytest.CaptureFixture[str]) -> None:
    """Brackets are markup to the console; in a refusal they name the table of the file."""
    with pytest.raises(typer.Exit) as exit_, errors_shown():
        KafkaSettings.load(embedded_port=80)

    assert exit_.value.exit_code == 2
    assert "PARLEY_KAFKA_EMBEDDED_PORT (or embedded_port under [kafka]): 80" in capsys.readouterr().err


EVERY_SECTION = sorted({*_all_sections(Section)}, key=lambda section: section.section)
NUMBERS = [
    pytest.param(section, name, id=f"{section.section}.{name}")
    for section in EVERY_SECTION
    for name, field in section.model_fields.items()
    if field.annotation in (int, float, bool)
]


def test_no_two_settings_share_a_variable() -> None:
    variables = [f"PARLEY_{each.section}_{name}".upper() for each in EVERY_SECTION for name in each.model_fields]
    assert len(variables) == len(set(variables)) > 50
    assert set(variables) <= known_variables(), "`parley doctor` takes a setting for a slip of the pen"


@pytest.mark.parametrize(("section", "name"), NUMBERS)
def test_words_where_a_number_belongs_are_named_whatever_service_reads_them(
    monkeypatch: pytest.MonkeyPatch, section: type[Section], name: str
) -> None:
    variable = f"PARLEY_{section.section}_{name}".upper()
    monkeypatch.setenv(variable, "plenty")

    with pytest.raises(InvalidSettings) as refusal:
        section.load()

    assert variable in str(refusal.value)
    assert "'plenty' is refused: Input should be a valid" in str(refusal.value)


@pytest.mark.parametrize("section", EVERY_SECTION, ids=lambda section: section.section)
def test_a_name_nobody_reads_is_refused_in_every_table(tmp_path: Path, section: type[Section]) -> None:
    (tmp_path / "parley.toml").write_text(f"[{section.section}]\nno_such_setting = 1\n")

    with pytest.raises(InvalidSettings, match=rf"no_such_setting under \[{section.section}\]\): 1 is unknown"):
        section.load()


@pytest.mark.parametrize("section", EVERY_SECTION, ids=lambda section: section.section)
def test_nothing_has_to_be_set_to_begin(section: type[Section]) -> None:
    assert section.load().model_fields_set == set()
    assert section.model_config["env_prefix"] == f"PARLEY_{section.section}_".upper()
