"""The audit of `make chaos` finds what it is there to find."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from tests.chaos.audit import FAILED, SUCCEEDED, UNKNOWN, Answer, Evidence, Result, audit
from tests.chaos.load import KINDS, Asked, plan

pytestmark = pytest.mark.unit

COMPLAINT = next(kind for kind in KINDS if kind.name == "complaint")
TURN = Asked("t1", "c1", COMPLAINT, "words", by_kafka=False)
UNSURE = "I can't tell whether that was done. Please check before you try again."


def answered(outcome: str, text: str = "Done.") -> dict[str, Answer]:
    return {"t1": Answer(text, "template", (Result("task-1", COMPLAINT.action, outcome),))}


def evidence(**changed: object) -> Evidence:
    """One complaint, taken, done once and answered once."""
    whole = Evidence(
        asked=[TURN],
        not_taken=frozenset(),
        answers=answered(SUCCEEDED),
        finals={"t1": frozenset({"e1"})},
        effects={"reconcilable": Counter({"task-1": 1})},
        effects_in={"reconcilable": Counter({"c1": 1})},
    )
    return replace(whole, **changed)  # type: ignore[arg-type]


def undone(outcome: str, text: str) -> Evidence:
    nothing: dict[str, Counter[str]] = {"reconcilable": Counter()}
    return evidence(answers=answered(outcome, text), effects=nothing, effects_in=nothing)


@pytest.mark.parametrize(
    "clean",
    [evidence(), undone(FAILED, "It failed."), undone(UNKNOWN, UNSURE), evidence(answers=answered(UNKNOWN, UNSURE))],
)
def test_what_is_in_order_is_no_violation(clean: Evidence) -> None:
    assert audit(clean).violations == []


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        (evidence(answers={}), "lost"),
        (evidence(not_taken=frozenset({"t1"})), "never taken"),
        (evidence(finals={"t1": frozenset({"e1", "e2"})}), "answered 2 times"),
        (evidence(effects={"reconcilable": Counter({"task-1": 2})}), "done 2 times: reconcilable task"),
        (evidence(effects_in={"reconcilable": Counter({"c1": 2})}), "done 2 times, asked 1 times"),
        (undone(SUCCEEDED, "Done."), "said to be done"),
        (evidence(answers=answered(FAILED, "It failed.")), "said to have failed"),
        (evidence(answers=answered(UNKNOWN, "Done.")), "unknown, and not said so"),
        (evidence(dead_letters=1), "given up"),
    ],
)
def test_what_is_not_in_order_is_found(broken: Evidence, found: str) -> None:
    (violation,) = audit(broken).violations
    assert found in violation


def test_an_apology_may_leave_a_dead_letter_and_is_counted() -> None:
    verdict = audit(evidence(answers={"t1": Answer("Sorry.", "gateway", ())}, dead_letters=1))

    assert verdict.violations == []
    assert verdict.figures["apologies"] == 1


def test_the_same_seed_plans_the_same_load() -> None:
    assert plan(50, 1, name="a", by_kafka=0.3) == plan(50, 1, name="a", by_kafka=0.3)
    assert plan(50, 1, name="a", by_kafka=0.3) != plan(50, 2, name="a", by_kafka=0.3)
    assert {turn.kind.name for turn in plan(50, 1, name="a", by_kafka=0.3)} == {kind.name for kind in KINDS}
