"""Tickets: opened under readable ids, and told only to whom they belong."""

from __future__ import annotations

import pytest

from parley.v1 import dispatch_pb2, principal_pb2
from services.dispatch.connectors.tickets import tickets
from tests.dispatching import GUEST, RESIDENT, Desk

pytestmark = pytest.mark.unit

AGENT = principal_pb2.Principal(user_id="agatha", roles=["agent"])


@pytest.mark.parametrize(
    ("action", "arguments", "kind"),
    [
        ("tickets.refund", {"order_id": "A1234"}, "refund"),
        ("tickets.cancel_order", {"order_id": "A1234"}, "cancel_order"),
        ("tickets.complaint", {"subject": "the parcel was wet"}, "complaint"),
        ("tickets.hand_off", {}, "hand_off"),
    ],
)
def test_a_request_opens_a_ticket(desk: Desk, action: str, arguments: dict[str, str], kind: str) -> None:
    result = desk.do(action, arguments)

    assert result.outcome == dispatch_pb2.TASK_OUTCOME_SUCCEEDED
    assert (result.values["ticket_id"], result.values["kind"], result.values["status"]) == ("T1001", kind, "open")
    assert arguments.items() <= dict(result.values).items()
    assert tickets(desk.session) == {"T1001": "open"}


def test_every_ticket_has_a_number_of_its_own(desk: Desk) -> None:
    ids = [desk.do("tickets.hand_off").values["ticket_id"] for _ in range(3)]

    assert ids == ["T1001", "T1002", "T1003"]


@pytest.mark.parametrize("said", ["T1001", "t1001", "1001", "T-1001", " t 1001 ", "#1001"])
def test_a_ticket_is_found_however_its_id_is_written(desk: Desk, said: str) -> None:
    desk.do("tickets.refund", order_id="A1")

    result = desk.do("tickets.status", ticket_id=said)

    assert (result.values["ticket_id"], result.values["status"], result.values["order_id"]) == ("T1001", "open", "A1")


@pytest.mark.parametrize("ticket_id", ["T9999", "T1000", "nonsense", "T" + "9" * 40, "-5"])
def test_a_ticket_that_does_not_exist_is_not_found(desk: Desk, ticket_id: str) -> None:
    desk.do("tickets.refund", order_id="A1")

    result = desk.do("tickets.status", ticket_id=ticket_id)

    assert (result.outcome, result.error_class) == (dispatch_pb2.TASK_OUTCOME_FAILED, "no_such_ticket")


def test_a_ticket_of_somebody_else_is_answered_like_one_that_does_not_exist(desk: Desk) -> None:
    for order in ("A1", "A2"):
        desk.do("tickets.refund", by=RESIDENT, order_id=order)
    elsewhere = principal_pb2.Principal(user_id="ann", tenant="other-shop", roles=["agent"])

    theirs = desk.do("tickets.status", by=GUEST, ticket_id="T1002")
    nobodys = desk.do("tickets.status", by=GUEST, ticket_id="T4711")

    assert theirs.error_class == nobodys.error_class == "no_such_ticket"
    assert theirs.detail.replace("T1002", "T4711") == nobodys.detail
    assert desk.do("tickets.status", by=elsewhere, ticket_id="T1001").error_class == "no_such_ticket"
    assert desk.do("tickets.status", by=AGENT, ticket_id="T1001").values["status"] == "open"


@pytest.mark.parametrize(
    ("action", "argument"),
    [("tickets.refund", "order_id"), ("tickets.complaint", "subject"), ("tickets.status", "ticket_id")],
)
def test_a_request_without_what_it_is_about_opens_nothing(desk: Desk, action: str, argument: str) -> None:
    result = desk.do(action)

    assert (result.error_class, result.values["argument"]) == ("missing_argument", argument)
    assert tickets(desk.session) == {}
