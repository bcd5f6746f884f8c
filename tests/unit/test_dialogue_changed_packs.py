"""Conversations go on when the packs change between two of their turns."""

from __future__ import annotations

from dataclasses import replace

import pytest

from services.dialogue.engine import DialogueEngine
from shared.packs import Pack, bundled_packs
from tests.talk import Talk, acts_of, said

pytestmark = pytest.mark.unit


def without(name: str) -> tuple[Pack, ...]:
    return tuple(pack for pack in bundled_packs() if pack.name != name)


def test_an_open_question_of_a_pack_that_is_gone_is_forgotten() -> None:
    talk = Talk()
    assert acts_of(talk.hear(said("turn on the light", "turn_on", device="light"))) == ["REQUEST"]
    talk.engine = DialogueEngine(without("smart_home"))

    assert "REQUEST" not in acts_of(talk.hear(said("kitchen")))
    assert talk.state.flow is None
    assert talk.state.last_intent == ""


def test_an_open_question_for_a_slot_that_is_gone_is_forgotten() -> None:
    talk = Talk()
    talk.hear(said("turn on the light", "turn_on", device="light"))
    home = next(pack for pack in bundled_packs() if pack.name == "smart_home")
    turn_on = home.intents["turn_on"]
    fewer = {name: use for name, use in turn_on.slots.items() if name != "area"}
    changed = replace(home, intents={**home.intents, "turn_on": replace(turn_on, slots=fewer)})
    talk.engine = DialogueEngine((*without("smart_home"), changed))

    talk.hear(said("kitchen"))

    assert talk.state.flow is None


def test_an_open_question_of_packs_that_stay_is_answered() -> None:
    talk = Talk()
    talk.hear(said("turn on the light", "turn_on", device="light"))
    talk.engine = DialogueEngine(without("customer_service"))

    talk.hear(said("kitchen", area="kitchen"))

    assert talk.state.flow is None
    assert talk.state.last_intent == "turn_on"


def test_an_intent_that_no_pack_has_is_answered_all_the_same() -> None:
    talk = Talk()
    talk.engine = DialogueEngine(without("smart_home"))

    assert acts_of(talk.hear(said("turn on the kitchen light", "turn_on", device="light")))
