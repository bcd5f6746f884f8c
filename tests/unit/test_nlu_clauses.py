"""Where a sentence can be parted, and which parting is taken."""

from __future__ import annotations

import pytest

from parley.v1 import nlu_pb2
from services.nlu.clauses import Clause, clauses, is_bare, partings

pytestmark = pytest.mark.unit


def pieces(text: str, language: str = "en") -> list[str]:
    """The shortest runs, in order."""
    return [text[runs[0].start : runs[0].end] for runs in clauses(text, language)]


@pytest.mark.parametrize(
    ("text", "language", "parts"),
    [
        ("dim the lights and set a timer", "en", ["dim the lights", "set a timer"]),
        ("Dim it, and then lock up; stop.", "en", ["Dim it", "lock up", "stop."]),
        ("turn on the light", "en", []),
        ("and turn on the light", "en", []),
        ("turn on the light, ", "en", []),
        ("set it to 21.5 degrees", "en", []),
        ("关灯，然后再锁门", "zh", ["关灯", "锁门"]),
        ("关灯并且锁门。", "zh", ["关灯", "锁门。"]),
        ("开灯", "zh", []),
        ("bonjour et merci, bien", "fr", []),
        (" and ".join("abcdefg"), "en", []),  # seven pieces: no sentence of requests
    ],
)
def test_joints_part_a_text_into_pieces(text: str, language: str, parts: list[str]) -> None:
    assert pieces(text, language) == parts


def test_the_parting_with_most_parts_that_stand_is_taken() -> None:
    text = "lock the front and back door and turn on the light and the fan"
    runs = clauses(text, "en")
    standing = {"lock the front and back door", "turn on the light", "turn on the light and the fan"}

    best = partings(runs, lambda clause: text[clause.start : clause.end] in standing)

    assert [text[clause.start : clause.end] for clause in best] == [
        "lock the front and back door",
        "turn on the light and the fan",
    ]


def test_a_text_whose_parts_do_not_all_stand_is_not_parted() -> None:
    text = "remind me to buy bread and butter"

    assert partings(clauses(text, "en"), lambda clause: clause == Clause(0, 26)) == []


@pytest.mark.parametrize(
    ("text", "language", "named", "bare"),
    [
        ("the kitchen lights", "en", ["kitchen", "lights"], True),
        ("turn on the lights", "en", ["lights"], False),
        ("卧室的灯", "zh", ["卧室", "灯"], True),
        ("关卧室的灯", "zh", ["卧室", "灯"], False),
        ("and", "en", [], True),
    ],
)
def test_what_only_names_things_asks_for_nothing(text: str, language: str, named: list[str], bare: bool) -> None:
    slots = [nlu_pb2.Slot(name="x", start=text.index(word), end=text.index(word) + len(word)) for word in named]

    assert is_bare(text, nlu_pb2.Understanding(language=language, slots=slots)) == bare
