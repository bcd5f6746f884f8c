"""Shopping and to-do lists: whose they are, and what becomes of their items."""

from __future__ import annotations

import pytest

from parley.v1 import dispatch_pb2, principal_pb2
from tests.dispatching import ANONYMOUS, Desk

pytestmark = pytest.mark.unit

DONE = dispatch_pb2.TASK_OUTCOME_SUCCEEDED
ANN = principal_pb2.Principal(user_id="ann", tenant="home-1", roles=["resident"])
BEN = principal_pb2.Principal(user_id="ben", tenant="home-1", roles=["resident"])
EVE = principal_pb2.Principal(user_id="eve", tenant="home-2", roles=["resident"])


def items(desk: Desk, principal: principal_pb2.Principal, name: str = "shopping") -> str:
    result = desk.do("lists.read", by=principal, list=name)
    assert result.outcome == DONE
    return result.values.get("items", "")


def test_a_home_shares_its_lists_and_nobody_else_sees_them(desk: Desk) -> None:
    desk.do("lists.add", by=ANN, item="milk", list="shopping")
    desk.do("lists.add", by=BEN, item="eggs", list="shopping")
    desk.do("lists.add", by=BEN, item="fix the tap", list="to_do")

    assert items(desk, ANN) == items(desk, BEN) == "milk; eggs"
    assert items(desk, ANN, "to_do") == "fix the tap"
    assert items(desk, EVE) == items(desk, ANONYMOUS) == ""


def test_an_item_stands_on_a_list_once(desk: Desk) -> None:
    desk.do("lists.add", by=ANN, item="milk", list="shopping")
    again = desk.do("lists.add", by=ANN, item="Milk", list="shopping")

    assert again.outcome == DONE
    assert again.values["count"] == "1"


def test_what_is_ticked_off_or_removed_is_read_no_more(desk: Desk) -> None:
    for item in ("milk", "eggs", "bread"):
        desk.do("lists.add", by=ANN, item=item, list="shopping")

    assert desk.do("lists.complete", by=BEN, item="MILK", list="shopping").values["item"] == "milk"
    assert desk.do("lists.remove", by=ANN, item="bread", list="shopping").values["count"] == "1"
    assert items(desk, ANN) == "eggs"
    for action in ("lists.complete", "lists.remove"):
        result = desk.do(action, by=ANN, item="milk", list="shopping")
        assert result.error_class == "no_such_item"


def test_an_item_that_is_too_long_is_refused_without_repeating_it(desk: Desk) -> None:
    result = desk.do("lists.add", by=ANN, item="x" * 201, list="shopping")

    assert result.error_class == "invalid_value"
    assert "xxx" not in result.detail
