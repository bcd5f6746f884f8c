"""A manifest of recordings: JSON lines with `audio` (relative to the manifest), `text`, and `set` and `lang` if any."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shared.errors import InvalidInput

_EXAMPLE = '{"audio": "clips/one.flac", "text": "turn on the light"}'


@dataclass(frozen=True, slots=True)
class Recording:
    """One row. `text` is None where nobody wrote down what is said."""

    audio: Path
    text: str | None
    set: str
    language: str  # BCP 47; empty: the recogniser decides


def read_manifest(file: Path, only_set: str = "") -> list[Recording]:
    """The rows of a manifest, or of one of its sets. Raises InvalidInput naming the file, the line and the field."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("manifest", str(file), f"cannot be read: {error}; name a file of JSON lines") from error
    rows = [row for number, line in enumerate(lines, 1) if line.strip() for row in _rows(file, number, line)]
    chosen = [row for row in rows if only_set in ("", row.set)]
    if not chosen:
        sets = ", ".join(sorted({row.set for row in rows if row.set})) or "no sets"
        raise InvalidInput("set", only_set, f"holds no recording in {file}; it has {sets}")
    return chosen


def _rows(file: Path, number: int, line: str) -> Iterator[Recording]:
    where = f"{file}:{number}"
    try:
        row = json.loads(line)
    except json.JSONDecodeError as error:
        raise InvalidInput(where, line, f"is not JSON: {error.msg}; write {_EXAMPLE}") from error
    if not isinstance(row, dict):
        raise InvalidInput(where, row, f"is no object; write {_EXAMPLE}")
    audio = _text(row, "audio", where)
    if not audio:
        raise InvalidInput(f"{where}: audio", audio, f"is missing; write {_EXAMPLE}")
    path = file.parent / audio
    if not path.is_file():
        raise InvalidInput(f"{where}: audio", audio, f"is no file under {file.parent}; paths are relative to that")
    text = None if row.get("text") is None else _text(row, "text", where)
    yield Recording(path, text, _text(row, "set", where), _text(row, "lang", where))


def _text(row: dict[str, object], field: str, where: str) -> str:
    value = row.get(field)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidInput(f"{where}: {field}", value, "is no text; write it in quotes, or null")
    return value
