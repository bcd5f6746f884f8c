"""Settings of generation."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from shared.settings import Section, section_config


class GenerationSettings(Section):
    """How replies are worded."""

    section = "generation"
    model_config = section_config("generation")

    backend: Literal["template"] = Field(default="template", description="What words the replies")
