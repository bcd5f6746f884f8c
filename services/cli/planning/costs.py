"""What one turn costs each part, as measured: read from a data file that `make bench ARGS="costs"` writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shared.errors import InvalidInput

COSTS_FILE = Path(__file__).with_name("costs.json")


class _Measured(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Measurement(_Measured):
    """When, where and how the costs were measured."""

    at: str
    machine: str
    how: str
    renew: str
    speech_s: float = Field(gt=0, description="Mean length of the recordings")


class PartCost(_Measured):
    """One service, the broker or the database. Processor seconds are without what it uses when idle."""

    cpu_s_per_typed_turn: float = Field(ge=0)
    cpu_s_per_spoken_turn: float = Field(ge=0)
    cpu_s_per_further_speech_s: float = Field(ge=0)  # for each second beyond the mean length measured
    idle_cores: float = Field(ge=0)
    memory_mb: float = Field(gt=0)

    def cpu_s(self, audio_share: float, further_speech_s: float) -> float:
        """Processor seconds of a mean turn."""
        spoken = max(0.0, self.cpu_s_per_spoken_turn + self.cpu_s_per_further_speech_s * further_speech_s)
        return (1 - audio_share) * self.cpu_s_per_typed_turn + audio_share * spoken


class TopicCost(_Measured):
    """Bytes written to one topic, before replication and compression."""

    bytes_per_typed_turn: float = Field(ge=0)
    bytes_per_spoken_turn: float = Field(ge=0)


class DatabaseCost(_Measured):
    """What a turn does to the databases of all services together."""

    commits_per_turn: float = Field(gt=0, description="Transactions, those that only read among them")
    bytes_per_typed_turn: float = Field(ge=0)
    bytes_per_spoken_turn: float = Field(ge=0)


class Costs(_Measured):
    """All measured costs of a turn."""

    measured: Measurement
    parts: Mapping[str, PartCost]
    topics: Mapping[str, TopicCost]
    audio_bytes_per_speech_s: float = Field(gt=0)
    database: DatabaseCost

    @classmethod
    def of(cls, given: Mapping[str, Any], source: str = "costs") -> Self:
        """Check what was read or measured; raises InvalidInput naming the first field that cannot be used."""
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise InvalidInput(
                f"{source}: {field}", first["input"], f"is refused: {first['msg']}; measure again"
            ) from error

    def as_dict(self) -> dict[str, Any]:
        """As the data file holds it."""
        return self.model_dump()


def load_costs(file: Path = COSTS_FILE) -> Costs:
    """Read the data file; raises InvalidInput where it cannot be used."""
    remedy = 'write one with make bench ARGS="costs"'
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput("--costs", str(file), f"cannot be read ({error.strerror}); {remedy}") from error
    except ValueError as error:
        raise InvalidInput("--costs", str(file), f"is not JSON ({error}); {remedy}") from error
    if not isinstance(given, dict):
        raise InvalidInput("--costs", str(file), f"holds no JSON object; {remedy}")
    return Costs.of(given, source=f"--costs {file}")
