"""What words replies: templates today, language models behind the same seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from parley.v1 import generation_pb2


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a backend can do."""

    languages: tuple[str, ...]  # BCP 47 primary subtags it can speak
    streams: bool = False  # words a reply sentence by sentence
    free_wording: bool = False  # may say what no template says, and has to be checked


class Backend(Protocol):
    """Words one reply at a time. Called from several threads."""

    @property
    def name(self) -> str:
        """Goes into every reply, for example "template"."""

    @property
    def version(self) -> str:
        """Changes with whatever could change a reply."""

    @property
    def capabilities(self) -> Capabilities: ...

    def generate(self, request: generation_pb2.GenerateRequest) -> generation_pb2.Reply:
        """Word the acts of `request` in the language of its locale: text, language, citations and backend."""
