"""Ids of events depend on the work alone, so work done twice has the same id."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.events import NAMESPACE, derived_id

pytestmark = pytest.mark.unit

PARTS = st.lists(st.text(st.characters(exclude_characters="\x1f", exclude_categories=["Cs"])), min_size=1, max_size=4)


def test_an_id_never_changes_from_one_release_to_the_next() -> None:
    """A reprocessed event must keep its identity; if this fails, every event on every log gets a new one."""
    assert str(NAMESPACE) == "6f1c8a52-5d0e-5b0c-9a57-0d0a3a0f7c11"
    assert derived_id("cause", "nlu", "parley.understandings", "1") == "99ac2d36-e50c-580b-a6cb-ada5c44754ee"


@given(PARTS, PARTS)
def test_different_parts_have_different_ids(one: list[str], other: list[str]) -> None:
    assert (derived_id(*one) == derived_id(*other)) == (one == other)


def test_where_one_part_ends_matters() -> None:
    assert derived_id("ab", "c") != derived_id("a", "bc")
    assert derived_id("a", "") != derived_id("a")


def test_an_id_is_a_uuid() -> None:
    assert uuid.UUID(derived_id("turn", "1")).version == 5
