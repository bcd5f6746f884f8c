"""Settings of knowledge."""

from __future__ import annotations

from pydantic import Field

from shared.settings import Section, section_config


class KnowledgeSettings(Section):
    """How documents are searched."""

    section = "knowledge"
    model_config = section_config("knowledge")

    passages: int = Field(default=3, ge=1, le=50, description="Most passages of an answer, where the query names none")
    threshold: float = Field(
        default=0.6, ge=0, le=1, description="Certainty from which passages count as found; higher says no more often"
    )
    cross_language_threshold: float = Field(
        default=0.9, ge=0, le=1, description="The same for passages in another language than the question's"
    )
    refresh_seconds: float = Field(
        default=1.0, ge=0, le=3600, description="How soon a replica sees documents that another has indexed"
    )
    max_batch: int = Field(default=16, ge=1, le=256, description="Questions encoded in one call")
    bundled_documents: bool = Field(default=True, description="Whether the packs' own documents are indexed")
