"""Settings of dispatch."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from shared.settings import Section, section_config


class DispatchSettings(Section):
    """How tasks are carried out."""

    section = "dispatch"
    model_config = section_config("dispatch")

    time_zone: str = Field(default="", description="IANA zone of the home, as Europe/Berlin; empty: the machine's own")
    webhooks: Path | None = Field(
        default=None, description="TOML file of outside systems that carry out actions (docs/dispatch.md)"
    )
    outside_workers: int = Field(default=8, ge=1, le=256, description="Calls of outside systems at once")
    outside_attempts: int = Field(default=5, ge=1, le=50, description="How often a task is tried at an outside system")
    tick_seconds: float = Field(default=0.5, gt=0, le=60, description="How often due reminders are looked for")

    @field_validator("time_zone")
    @classmethod
    def _known(cls, value: str) -> str:
        if value:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError("not a time zone; use an IANA name such as Europe/Berlin") from error
        return value
