"""Settings from the environment and from one file, with errors that name the setting, its value and the remedy.

Every group of settings is a class with a `section`. A value comes from the environment variable
PARLEY_<SECTION>_<FIELD>, else from the table [<section>] of parley.toml, else from the default. The file is the one
PARLEY_CONFIG names, else ./parley.toml where it exists.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from shared.errors import InvalidSettings


def default_data_dir() -> Path:
    """`var/` of a source checkout; elsewhere the user's data folder."""
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file():
        return checkout / "var"
    return Path(os.environ.get("XDG_DATA_HOME", Path.home() / ".local" / "share")) / "parley"


def settings_file() -> Path | None:
    """The file settings are read from, or None; raises InvalidSettings where PARLEY_CONFIG names none."""
    named = os.environ.get("PARLEY_CONFIG")
    if named:
        if not Path(named).is_file():
            raise InvalidSettings("PARLEY_CONFIG", named, "is not a file; name a TOML file or unset it")
        return Path(named)
    local = Path("parley.toml")
    return local if local.is_file() else None


class Section(BaseSettings):
    """Base of every group of settings; subclasses set `section` and `env_prefix` by `section_config`."""

    section: ClassVar[str] = ""

    @classmethod
    def load(cls, **overrides: Any) -> Self:
        """Read the section; raises InvalidSettings for the first value that cannot be used."""
        try:
            return cls(**overrides)
        except ValidationError as error:
            first = error.errors()[0]
            name = ".".join(str(part) for part in first["loc"])
            variable = f"PARLEY_{cls.section}_{name}".upper()
            remedy = "is unknown; remove it" if first["type"] == "extra_forbidden" else f"is refused: {first['msg']}"
            raise InvalidSettings(f"{variable} (or {name} under [{cls.section}])", first["input"], remedy) from error
        except SettingsError as error:  # a list or a table that is not written as one; the text names the field
            name = next((name for name in cls.model_fields if f'"{name}"' in str(error)), "")
            variable = f"PARLEY_{cls.section}_{name}".upper()
            given = os.environ.get(variable)
            raise InvalidSettings(variable, given, 'is no JSON; write a list as ["one", "two"]') from error

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings, _FileSource(settings_cls))


def section_config(section: str) -> SettingsConfigDict:
    """The model_config of a section."""
    return SettingsConfigDict(env_prefix=f"PARLEY_{section.upper()}_", extra="forbid", frozen=True)


class _FileSource(PydanticBaseSettingsSource):
    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        file = settings_file()
        if file is None:
            return {}
        try:
            tables = tomllib.loads(file.read_text(encoding="utf-8"))
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise InvalidSettings("PARLEY_CONFIG", str(file), f"is not TOML: {error}; correct it") from error
        except OSError as error:
            raise InvalidSettings("PARLEY_CONFIG", str(file), f"cannot be read ({error.strerror})") from error
        section = getattr(self.settings_cls, "section", "")
        table = tables.get(section, {})
        if not isinstance(table, dict):
            raise InvalidSettings(f"{section} in {file}", table, f"is no table; write settings under [{section}]")
        return table


class StorageSettings(Section):
    """Where things are kept."""

    section = "storage"
    model_config = section_config("storage")

    data_dir: Path = Field(default_factory=default_data_dir, description="Folder for databases, models, keys, blobs")
    database_url: str = Field(
        default="", description="SQLAlchemy URL for every service; empty: one SQLite file a service in data_dir"
    )

    def database_for(self, service: str) -> str:
        """The SQLAlchemy URL of one service's database."""
        return self.database_url or f"sqlite:///{self.data_dir / 'db' / service}.sqlite3"


class LogSettings(Section):
    """How the program tells what it does."""

    section = "log"
    model_config = section_config("log")

    level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    format: str = Field(default="console", pattern="^(console|json)$")


class TracingSettings(Section):
    """Where spans go (docs/tracing.md)."""

    section = "tracing"
    model_config = section_config("tracing")

    otlp_endpoint: str = Field(
        default="", description="OTLP/HTTP collector, for example http://localhost:4318; empty: nothing is recorded"
    )
    sample_ratio: float = Field(default=1.0, ge=0, le=1, description="Share of the traces begun here that is recorded")

    @field_validator("otlp_endpoint")
    @classmethod
    def _endpoint(cls, value: str) -> str:
        if value and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", value):
            raise ValueError("is no http(s)://host:port; write for example http://localhost:4318")
        return value


class KafkaSettings(Section):
    """The broker, and how it is read."""

    section = "kafka"
    model_config = section_config("kafka")

    bootstrap_servers: str = Field(default="", description="host:port,...; empty starts the embedded broker")
    embedded_port: int = Field(default=19092, ge=1024, le=65535)
    # 4 is also what the embedded broker gives to topics it makes by itself when clients return after its restart.
    road_partitions: int = Field(default=4, ge=1, le=1000, description="Partitions of every topic on the road")
    other_partitions: int = Field(default=1, ge=1, le=1000)
    replication_factor: int = Field(default=1, ge=1, le=9)
    fetch_wait_ms: int = Field(default=8, ge=1, le=5000, description="Fetch wait while turns flow (embedded broker)")
    idle_fetch_wait_ms: int = Field(default=80, ge=1, le=5000, description="Fetch wait when idle (embedded broker)")
    hand_over: bool = Field(
        default=True, description="Whether what a process sends to itself is handed over once it is acknowledged"
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How bootstrap_servers are spoken to"
    )
    ssl_ca_file: Path | None = Field(default=None, description="PEM of who signed the brokers' certificates")
    ssl_cert_file: Path | None = Field(default=None, description="PEM of our certificate, where brokers ask for one")
    ssl_key_file: Path | None = Field(default=None, description="PEM of its key")
    ssl_check_hostname: bool = Field(default=True, description="Whether a broker's certificate must name its host")
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    sasl_username: str = ""
    sasl_password: SecretStr = Field(default=SecretStr(""), description="Better in a file")
    sasl_password_file: Path | None = Field(default=None, description="A file that holds the password alone")
    session_timeout_ms: int = Field(default=6000, ge=1000, le=300000)
    group_prefix: str = Field(default="parley", pattern="^[A-Za-z0-9._-]{1,100}$")
    trusted_topics: tuple[str, ...] = Field(
        default=(), description="Entry topics whose writers' principals are kept; JSON list"
    )

    @field_validator("bootstrap_servers")
    @classmethod
    def _addresses(cls, value: str) -> str:
        for address in filter(None, value.split(",")):
            host, _, port = address.strip().rpartition(":")
            if not host or not port.isdecimal() or not 0 < int(port) < 65536:
                raise ValueError(f"{address.strip()!r} is no host:port; write for example kafka-1:9092,kafka-2:9092")
        return ",".join(address.strip() for address in value.split(",") if address.strip())


class ServerSettings(Section):
    """The ports of one process."""

    section = "server"
    model_config = section_config("server")

    host: str = "127.0.0.1"
    grpc_port: int = Field(default=8901, ge=0, le=65535, description="0 picks a free one")
    http_port: int = Field(default=8900, ge=0, le=65535, description="The gateway's HTTP API")
    metrics_port: int = Field(default=8902, ge=0, le=65535, description="Prometheus metrics and readiness")
    grpc_threads: int = Field(default=32, ge=1, le=1024)
