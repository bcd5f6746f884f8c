"""Settings of the dialogue service."""

from __future__ import annotations

from datetime import timedelta

from pydantic import Field

from services.dialogue.engine import Policy
from shared.settings import Section, section_config


class DialogueSettings(Section):
    """When to confirm, how long to wait and to remember. Confidences are nlu's, times are seconds."""

    section = "dialogue"
    model_config = section_config("dialogue")

    confirm_below: float = Field(default=0.8, ge=0, le=1, description="A medium risk understood with less is confirmed")
    switch_from: float = Field(default=0.8, ge=0, le=1, description="Another intent this sure ends a pending request")
    failed_asks: int = Field(
        default=2, ge=1, le=10, description="Answers that fit nothing before a request is given up"
    )
    question_expires_s: float = Field(default=300, gt=0, description="Life of a question nobody answers")
    memory_expires_s: float = Field(default=1800, gt=0, description='Silence after which "it" and "there" mean nothing')
    open_turn_timeout_s: float = Field(default=30, gt=0, description="A turn without its final reply loses the floor")
    max_waiting: int = Field(default=32, ge=0, le=10000, description="Utterances of one conversation that may wait")
    sweep_interval_s: float = Field(default=1, gt=0, description="How often open turns are looked at")

    def policy(self) -> Policy:
        """The engine's part."""
        return Policy(
            confirm_below=self.confirm_below,
            switch_from=self.switch_from,
            failed_asks=self.failed_asks,
            question_expires=timedelta(seconds=self.question_expires_s),
            memory_expires=timedelta(seconds=self.memory_expires_s),
        )
