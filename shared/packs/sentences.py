"""Reads the files of a pack's `sentences` folder; what stands in them is for whoever hears and understands."""

from __future__ import annotations

from typing import Any

import yaml

from shared.errors import InvalidPack
from shared.packs.model import Pack


def sentence_file(pack: Pack, name: str) -> dict[str, Any]:
    """The content of `sentences/<name>.yaml`, empty where the pack has none; raises InvalidPack for what is no mapping.

    `name`: a language of the pack, or that of a file beside the languages' ("out_of_scope").
    """
    file = pack.path / "sentences" / f"{name}.yaml"
    if not file.is_file():
        return {}
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise InvalidPack("sentences", str(file), f"is not YAML: {error}") from error
    if not isinstance(content, dict):
        raise InvalidPack("sentences", str(file), "is not a mapping; write `intents:` with lists of templates")
    return content
