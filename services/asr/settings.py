"""Settings of the asr service."""

from __future__ import annotations

import os

from pydantic import Field

from shared.settings import Section, section_config


class AsrSettings(Section):
    """What hears, how well it searches, and from where on it believes what it hears."""

    section = "asr"
    model_config = section_config("asr")

    backend: str = Field(default="faster-whisper", pattern="^(faster-whisper|transformers)$")
    model: str = Field(
        default="",
        description="Folder, Whisper size (faster-whisper) or Hugging Face name; empty: the bundled tiny.en",
    )
    device: str = Field(default="cpu", pattern=r"^(cpu|cuda)$")
    compute_type: str = Field(default="int8", description="CTranslate2's: int8, int8_float16, float16, float32, ...")
    beam_size: int = Field(default=5, ge=1, le=20)
    cpu_threads: int = Field(default=0, ge=0, le=256, description="Threads of all workers; 0: the cores there are")
    workers: int = Field(default=1, ge=1, le=64, description="Clips recognised at the same time")
    max_waiting: int = Field(default=64, ge=1, le=10_000, description="Clips that may wait before callers are refused")
    lanes: int = Field(default=8, ge=1, le=256, description="Utterances fetched and decoded side by side")
    context: bool = Field(default=True, description="Whether packs and conversations change what is heard")
    most_contexts: int = Field(default=20_000, ge=1, le=10_000_000, description="Conversations remembered")
    max_audio_seconds: float = Field(default=120.0, gt=0, le=300)
    max_audio_bytes: int = Field(default=16 * 1024 * 1024, ge=1, le=16 * 1024 * 1024)
    silence_dbfs: float = Field(default=-60.0, ge=-120, le=0, description="Loudest 32 ms below it: silence")
    least_speech_seconds: float = Field(default=0.15, ge=0, le=10, description="Less speech than this is noise")
    no_speech_probability: float = Field(default=0.7, ge=0, le=1, description="Above it, uncertain words are noise")
    least_log_probability: float = Field(default=-1.0, le=0, description="Mean of the tokens; below: unintelligible")
    most_compression: float = Field(default=2.4, gt=0, description="Texts that compress better repeat themselves")

    @property
    def threads_per_worker(self) -> int:
        """Threads each worker may use."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return max(1, (self.cpu_threads or cores) // self.workers)
