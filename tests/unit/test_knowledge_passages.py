"""How documents are cut into passages."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.knowledge.passages import LIMIT, split
from services.knowledge.terms import size

pytestmark = pytest.mark.unit


def test_a_passage_carries_the_headings_above_it() -> None:
    pieces = split("# Returns\n\nIntro.\n\n## Opened items\n\nWithin 14 days.\n\n# Refunds\n\nAt once.\n")

    assert [(piece.title, piece.text) for piece in pieces] == [
        ("Returns", "Intro."),
        ("Returns > Opened items", "Within 14 days."),
        ("Refunds", "At once."),
    ]


def test_a_document_without_headings_has_its_title() -> None:
    (piece,) = split("Just a paragraph.", title="Notes")

    assert (piece.title, piece.anchor) == ("Notes", "notes")


def test_a_table_is_read_row_by_row_with_its_headers() -> None:
    (piece,) = split("## Costs\n\n| Method | Cost |\n|---|---|\n| Standard | 4.90 |\n| Express | |\n")

    assert piece.text == "Method: Standard; Cost: 4.90\nMethod: Express"


def test_a_chinese_table_is_read_with_chinese_punctuation() -> None:
    (piece,) = split("## 费用\n\n| 方式 | 费用 |\n|---|---|\n| 加急 | 9.90 欧元 |\n")

    assert piece.text == "方式：加急；费用：9.90 欧元"


def test_lists_keep_their_items_and_markup_is_removed() -> None:
    (piece,) = split("## Steps\n\n1. Open *My orders*.\n2. Choose [Return](https://shop.example).\n\n- `one`\n- two\n")

    assert piece.text == "1. Open My orders.\n2. Choose Return.\n- one\n- two"


def test_a_chinese_paragraph_over_two_lines_has_no_blank_in_it() -> None:
    (piece,) = split("## 退货\n\n收货后三十天内\n可以退货。\n")

    assert piece.text == "收货后三十天内可以退货。"


def test_short_paragraphs_of_one_heading_are_merged_and_long_ones_parted() -> None:
    short = "Ten words are in this very short paragraph of text. "
    pieces = split("## A\n\n" + "\n\n".join([short] * 3) + "\n\n## B\n\n" + short * 30)

    assert [piece.title for piece in pieces].count("A") == 1
    assert [piece.title for piece in pieces].count("B") == 3
    assert max(size(piece.text) for piece in pieces) <= LIMIT


def test_a_long_chinese_paragraph_is_parted_at_its_sentences() -> None:
    pieces = split("## 退货\n\n" + "收货后三十天内可以退货，商品必须未经使用。" * 30)

    assert len(pieces) > 1
    assert all(piece.text.endswith("。") for piece in pieces)
    assert max(size(piece.text) for piece in pieces) <= LIMIT


@pytest.mark.parametrize("text", ["word " * 2000, "x" * 9000, "退" * 3000, "```\n" + "a = 1\n" * 900 + "```\n"])
def test_text_without_sentences_is_still_parted(text: str) -> None:
    pieces = split(text)

    assert max(size(piece.text) for piece in pieces) <= LIMIT * 1.1
    assert max(len(piece.text) for piece in pieces) < 9001


def test_places_are_stable_and_told_apart() -> None:
    pieces = split("## Costs\n\nOne.\n\n## Costs\n\nTwo.\n\n## 费用 & 时间\n\nThree.\n")

    assert [piece.anchor for piece in pieces] == ["costs", "costs.2", "费用-时间"]


def test_a_document_of_headings_alone_has_no_passages() -> None:
    assert split("# Returns\n\n## Time limit\n") == []


@given(st.lists(st.lists(st.from_regex(r"[a-z]{1,12}", fullmatch=True), min_size=1, max_size=300), max_size=6))
def test_no_word_is_lost_or_added(paragraphs: list[list[str]]) -> None:
    pieces = split("# Title\n\n" + "\n\n".join(" ".join(words) for words in paragraphs))

    said = [word for words in paragraphs for word in words]
    assert " ".join(piece.text for piece in pieces).split() == said
