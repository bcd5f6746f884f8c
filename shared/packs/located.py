"""YAML that remembers on which line everything stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from shared.packs.problems import Problem

Place = tuple[str | int, ...]  # keys and list positions, from the top of the file


@dataclass(frozen=True, slots=True)
class Located:
    """The content of one file. `lines`: where each entry stands, first line 1."""

    file: str  # relative to the pack
    content: Any
    lines: Mapping[Place, int]
    problems: tuple[Problem, ...] = ()  # what is wrong with the YAML itself

    def line(self, place: Sequence[str | int]) -> int:
        """The line of an entry, or of the nearest one around it."""
        known = tuple(place)
        while known and known not in self.lines:
            known = known[:-1]
        return self.lines.get(known, 1)

    def problem(self, place: Sequence[str | int], value: object, remedy: str) -> Problem:
        """What is wrong with the entry at `place`."""
        return Problem(self.file, self.line(place), ".".join(map(str, place)), value, remedy)


def read_located(file: Path, folder: Path) -> Located:
    """Read `file` of the pack in `folder`. What cannot be read comes back as a problem, with content None."""
    name = file.relative_to(folder).as_posix()
    try:
        loader = yaml.SafeLoader(file.read_text(encoding="utf-8"))
        node = loader.get_single_node()
        content = loader.construct_document(node) if node is not None else {}
    except UnicodeDecodeError as error:
        return Located(name, None, {}, (Problem(name, 1, "", file.name, f"is not UTF-8: {error.reason}"),))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark is not None else 1
        problem = Problem(name, line, "", file.name, f"is not YAML: {error.problem or error.context}")
        return Located(name, None, {}, (problem,))
    except yaml.YAMLError as error:
        return Located(name, None, {}, (Problem(name, 1, "", file.name, f"is not YAML: {error}"),))
    lines: dict[Place, int] = {(): 1}
    twice: list[Problem] = []
    if node is not None:
        _walk(node, (), lines, twice, name)
    return Located(name, content, lines, tuple(twice))


def _walk(node: yaml.Node, place: Place, lines: dict[Place, int], twice: list[Problem], file: str) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            at = (*place, str(key.value))
            if at in lines:
                remedy = f"is written twice, on line {lines[at]} too; keep one"
                twice.append(Problem(file, key.start_mark.line + 1, ".".join(map(str, at)), key.value, remedy))
            lines[at] = key.start_mark.line + 1
            _walk(value, at, lines, twice, file)
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            lines[(*place, number)] = value.start_mark.line + 1
            _walk(value, (*place, number), lines, twice, file)
