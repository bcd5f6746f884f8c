"""A prompt as the tokens a Whisper is given: names first, then sentences, the most relevant next to what is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from services.asr.engine.interface import Prompt

MOST_TOKENS = 223  # half of a Whisper's 448, less the one that announces the prompt
_NAMES_SHARE = 0.5  # of the tokens, at most


def prompt_tokens(prompt: Prompt, encode: Callable[[str], Sequence[int]], room: int = MOST_TOKENS) -> list[int]:
    """At most `room` tokens. Names and sentences are taken in their order until no more fit."""
    names: list[int] = []
    for count in range(len(prompt.names), 0, -1):
        names = list(encode(f" {', '.join(prompt.names[:count])}."))
        if len(names) <= room * (_NAMES_SHARE if prompt.sentences else 1):
            break
        names = []
    sentences: list[int] = []
    for text in prompt.sentences:
        tokens = list(encode(f" {text}"))
        if len(names) + len(sentences) + len(tokens) > room:
            break
        sentences = tokens + sentences
    return names + sentences
