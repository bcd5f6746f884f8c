"""Settings of the nlu service."""

from __future__ import annotations

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from shared.settings import Section, section_config


class NluSettings(Section):
    """How texts are understood."""

    section = "nlu"
    model_config = section_config("nlu")

    artifact: str = Field(
        default="", description="Folder or fsspec URI of a model artifact; empty: trained for the bundled packs"
    )
    time_zone: str = Field(
        default="", description="IANA zone in which times are meant, as Europe/Berlin; empty: the machine's own"
    )
    threads: int = Field(default=1, ge=1, le=64, description="torch threads of the process; one is best for a sentence")
    lanes: int = Field(default=8, ge=1, le=256, description="Turns understood side by side")
    max_batch: int = Field(default=32, ge=1, le=512)
    max_waiting: int = Field(default=1024, ge=1, le=100000)

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError("not a time zone; use an IANA name such as Europe/Berlin") from error
        return value
