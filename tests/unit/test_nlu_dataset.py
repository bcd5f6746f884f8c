"""Labelled sentences as they are read from files, and what is refused in them."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from services.nlu.corpus import OUT_OF_SCOPE
from services.nlu.dataset import languages_of, read_dataset
from shared.errors import InvalidInput
from tests.nlu_labelled import order, rows, write_rows


def test_every_line_is_read_plain_and_gzipped(tmp_path: Path) -> None:
    plain = write_rows(tmp_path / "rows.jsonl", rows())
    packed = tmp_path / "rows.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    read = read_dataset(plain)

    assert read == read_dataset(packed)
    assert len(read) == len(rows())
    assert {row.intent for row in read} == {"order_drink", "ask_hours", OUT_OF_SCOPE}


def test_slots_follow_the_text_when_it_is_normalised(tmp_path: Path) -> None:
    row = order("Hello! I'd like “a {}”, please.", "Flat White")

    (read,) = read_dataset(write_rows(tmp_path / "rows.jsonl", [row]))
    example = read.example("en")

    (slot,) = example.slots
    assert example.text[slot.start : slot.end] == "flat white"


def test_one_intent_in_a_list_and_none_at_all_are_understood(tmp_path: Path) -> None:
    content = [{"text": "a", "intents": ["greet"]}, {"text": "b", "intent": None, "slots": []}]

    assert [row.intent for row in read_dataset(write_rows(tmp_path / "rows.jsonl", content))] == ["greet", ""]


@pytest.mark.parametrize(
    ("row", "told"),
    [
        (["a"], ["is no object"]),
        ({"intent": "greet"}, ["text", "None", "is no string"]),
        ({"text": "  ", "intent": "greet"}, ["text", "is empty"]),
        ({"text": "hi"}, ["intent", "is missing"]),
        ({"text": "hi", "intent": 3}, ["intent", "3", "is no string"]),
        ({"text": "hi", "intents": ["a", "b"]}, ["intents", "['a', 'b']", "split the sentence"]),
        ({"text": "hi", "intent": "a", "oos": "yes"}, ["oos", "'yes'", "neither true nor false"]),
        ({"text": "hi", "intent": "a", "slots": {}}, ["slots", "{}"]),
        ({"text": "hi", "intent": "a", "slots": [{"slot": "x", "start": 0}]}, ["slots[0].end", "None"]),
        ({"text": "hi", "intent": "a", "slots": [{"slot": "x", "start": 0, "end": 9}]}, ["slots[0]", "'0 to 9'"]),
        ({"text": "hi", "intent": "a", "slots": [{"slot": "x", "start": 0, "end": 2, "value": "ho"}]},
         ["slots[0].value", "'ho'", "correct either"]),
        ({"text": "hi ho", "intent": "a", "slots": [{"slot": "x", "start": 0, "end": 4},
                                                    {"slot": "y", "start": 3, "end": 5}]}, ["x and y", "overlap"]),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_with_field_value_and_remedy(row: Any, told: list[str], tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"text": "fine", "intent": "a"}, row])

    with pytest.raises(InvalidInput) as caught:
        read_dataset(file)

    assert str(caught.value).startswith(f"{file}:2")
    for words in told:
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "has no lines"), (b"\xff\xfe", "is not UTF-8"), (b"\x1f\x8bxx", "damaged gzip"), (b"{]", "is not JSON")],
)
def test_a_file_that_cannot_be_read_is_refused(content: bytes, told: str, tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(content)

    with pytest.raises(InvalidInput, match=told):
        read_dataset(file)


def test_a_language_of_few_sentences_counts_as_that_of_most(tmp_path: Path) -> None:
    content = [{"text": f"sentence number {n}", "intent": "a"} for n in range(40)] + [{"text": "你好", "intent": "a"}]
    read = read_dataset(write_rows(tmp_path / "rows.jsonl", content))

    assert set(languages_of(read)) == {"en"}
    with pytest.raises(InvalidInput, match="--language"):
        languages_of(read, "fr")
