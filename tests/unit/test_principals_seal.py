"""A principal on the entry topic is believed where it is sealed for its turn, or where the topic is trusted."""

from __future__ import annotations

import pytest

from parley.v1 import principal_pb2, turn_pb2
from shared.events import Event
from shared.principals import SEAL_HEADER, PrincipalSeal
from shared.topology import UTTERANCES
from tests.gateway_parts import SEAL, journey, utterance_event

pytestmark = pytest.mark.unit

TURN = "5c1a1d8e-5b0c-4a57-9d0a-3a0f7c110001"
OTHER_TURN = "5c1a1d8e-5b0c-4a57-9d0a-3a0f7c110002"
ADA = principal_pb2.Principal(user_id="ada", roles=["resident"], tenant="north")
EVE = principal_pb2.Principal(user_id="eve", roles=["resident"])
NOBODY = principal_pb2.Principal()


def said(
    principal: principal_pb2.Principal | None, turn_id: str = TURN, text: str = "turn on the light"
) -> turn_pb2.Utterance:
    """An utterance that claims a principal."""
    return turn_pb2.Utterance(turn_id=turn_id, text=text, principal=principal)


def published(principal: principal_pb2.Principal | None, headers: dict[str, str], turn_id: str = TURN) -> Event:
    """Such an utterance on the entry topic."""
    return utterance_event(said(principal, turn_id), **headers)


def test_a_sealed_principal_is_kept() -> None:
    assert SEAL.verify(published(ADA, SEAL.seal(said(ADA)))) == ADA


@pytest.mark.parametrize(
    ("claimed", "headers", "turn_id"),
    [
        pytest.param(ADA, {}, TURN, id="no seal at all"),
        pytest.param(ADA, {SEAL_HEADER: ""}, TURN, id="an empty seal"),
        pytest.param(ADA, {SEAL_HEADER: "f" * 64}, TURN, id="a made-up seal"),
        pytest.param(ADA, {SEAL_HEADER: "ünïcode"}, TURN, id="a seal that is no hex"),
        pytest.param(ADA, SEAL.seal(said(EVE)), TURN, id="somebody else's seal"),
        pytest.param(ADA, SEAL.seal(said(ADA, OTHER_TURN)), TURN, id="the seal of another turn"),
        pytest.param(ADA, SEAL.seal(said(ADA)), "", id="the seal of a turn the body does not name"),
        pytest.param(ADA, SEAL.seal(said(ADA, "")), "", id="a seal for no turn"),
        pytest.param(ADA, SEAL.seal(said(ADA, text="unlock the door")), TURN, id="the seal of other words"),
        pytest.param(ADA, PrincipalSeal(b"x" * 32).seal(said(ADA)), TURN, id="a seal made with another key"),
        pytest.param(None, SEAL.seal(said(NOBODY)), TURN, id="nobody, sealed"),
    ],
)
def test_a_principal_without_its_seal_is_nobody(
    claimed: principal_pb2.Principal | None, headers: dict[str, str], turn_id: str
) -> None:
    assert SEAL.verify(published(claimed, headers, turn_id)) == NOBODY


def test_more_roles_than_were_sealed_are_nobodys() -> None:
    promoted = principal_pb2.Principal(user_id="ada", roles=["resident", "operator"], tenant="north")

    assert SEAL.verify(published(promoted, SEAL.seal(said(ADA)))) == NOBODY


def test_the_writers_of_a_trusted_topic_are_believed() -> None:
    trusting = PrincipalSeal(b"s" * 32, trusted_topics=[UTTERANCES])

    assert trusting.verify(published(EVE, {})) == EVE


def test_only_utterances_carry_a_claim_that_can_be_checked() -> None:
    assert SEAL.verify(journey()[0]) == NOBODY
