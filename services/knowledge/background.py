"""Background texts: plain passages about the world at large, against which an answer has to stand out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from services.knowledge.encoder import Encoder, Vectors
from services.knowledge.scope import Audience, Scope
from services.knowledge.store import Store
from services.knowledge.vectors import from_bytes, to_bytes

_TEXTS = Path(__file__).with_name("background.yaml")


@dataclass(frozen=True, slots=True)
class Background:
    """Vectors of the background texts, by language."""

    by_language: Mapping[str, Vectors]

    def of(self, scope: Scope) -> Vectors:
        """The texts in the languages of `scope`, or all of them where there are none."""
        spoken = [
            vectors
            for language, vectors in self.by_language.items()
            if scope.speaks(Audience("", language, frozenset()))
        ]
        return np.concatenate(spoken or list(self.by_language.values()))


def load_background(store: Store, encoder: Encoder) -> Background:
    """The background's vectors, from the store where they were computed before."""
    texts: dict[str, list[str]] = yaml.safe_load(_TEXTS.read_text(encoding="utf-8"))
    every = [text for each in texts.values() for text in each]
    keys = {text: hashlib.sha256(f"{encoder.name}\x1f{text}".encode()).hexdigest() for text in every}
    known = store.vectors(list(keys.values()))
    if any(key not in known for key in keys.values()):
        encoded = encoder.passages([_titled(text) for text in every])
        known = dict(zip(keys.values(), to_bytes(encoded), strict=True))
        store.keep_background(known)
    return Background(
        {
            language: from_bytes([known[keys[text]] for text in each], encoder.dimensions)
            for language, each in texts.items()
        }
    )


def _titled(text: str) -> tuple[str, str]:
    """Title and text, which the first full stop parts."""
    title, _, rest = text.partition("。" if "。" in text else ". ")
    return title, rest
