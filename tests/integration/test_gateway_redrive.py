"""A turn without its final reply by the deadline is driven again, with the same event, and at last given up."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from parley.v1 import principal_pb2, turn_pb2
from services.gateway.redrive import Redrive
from services.gateway.storage import TurnRow
from shared.topology import TRANSCRIPTS, UTTERANCES
from tests.gateway_parts import SEAL, Gateway, running_gateway, utterance_event

pytestmark = pytest.mark.integration

ADA = principal_pb2.Principal(user_id="ada", roles=["resident"])


@pytest.fixture
def gateway(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    """A gateway over either database, that waits a minute for a reply and drives a turn twice."""
    with running_gateway(tmp_path, database_url, turn_deadline_s=60, max_drives=2) as gateway:
        yield gateway


def sweep(gateway: Gateway) -> int:
    """One sweep, as the clock would start it."""
    redrive = next(each for each in gateway.service.background if isinstance(each, Redrive))
    return redrive.sweep()


def age(gateway: Gateway, turn_id: str, seconds: float) -> None:
    """Let a turn have been open that long."""
    opened_at = datetime.now(UTC) - timedelta(seconds=seconds)
    with gateway.database.transaction() as session:
        session.execute(sa.update(TurnRow).where(TurnRow.turn_id == turn_id).values(opened_at=opened_at))


def state_of(gateway: Gateway, turn_id: str) -> tuple[str, int]:
    """(state, drives) of a turn."""
    with gateway.database.reading() as session:
        row = session.get_one(TurnRow, turn_id)
        return row.state, row.drives


def accept(gateway: Gateway, text: str = "hello") -> str:
    """The id of an accepted turn."""
    turn_id: str = gateway.client().post("/v1/utterances", json={"text": text}).json()["turn_id"]
    return turn_id


def test_a_turn_within_its_deadline_is_left_alone(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    age(gateway, turn_id, 50)

    assert sweep(gateway) == 0
    assert len(gateway.road.sent) == 1


def test_an_overdue_turn_is_sent_again_as_the_same_event(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    age(gateway, turn_id, 70)

    assert sweep(gateway) == 1
    assert sweep(gateway) == 0  # it has until twice the deadline now

    first, again = gateway.road.sent
    assert (again.outgoing.topic, again.outgoing.key, again.cause_id) == (TRANSCRIPTS, turn_id, first.cause_id)
    assert again.outgoing.discriminator == first.outgoing.discriminator  # so it has the same id
    turn, before = again.outgoing.body, first.outgoing.body
    assert isinstance(turn, turn_pb2.Turn)
    assert isinstance(before, turn_pb2.Turn)
    assert turn.route.attempt == 1
    turn.route.attempt = 0
    assert turn == before


def test_an_overdue_recording_is_sent_again_with_its_seal(gateway: Gateway) -> None:
    answer = gateway.client("ada", "resident").post(
        "/v1/utterances", content=b"RIFF....", headers={"content-type": "audio/wav"}
    )
    age(gateway, answer.json()["turn_id"], 70)

    assert sweep(gateway) == 1

    again = gateway.road.sent[-1]
    assert again.outgoing.topic == UTTERANCES
    assert SEAL.verify(utterance_event(again.outgoing.body, **again.headers)) == ADA  # type: ignore[arg-type]


def test_an_answered_turn_is_not_driven(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    gateway.travel(turn_id, turn_id)
    age(gateway, turn_id, 1000)

    assert sweep(gateway) == 0
    assert state_of(gateway, turn_id) == ("answered", 0)


def test_two_replicas_drive_a_turn_once(tmp_path: Path, database_url: str) -> None:
    with (
        running_gateway(tmp_path, database_url, turn_deadline_s=60) as one,
        running_gateway(tmp_path, database_url, turn_deadline_s=60, doors=False) as other,
    ):
        turn_id = accept(one)
        age(one, turn_id, 70)

        assert sweep(one) + sweep(other) == 1
        assert state_of(one, turn_id) == ("open", 1)


def test_a_turn_driven_in_vain_is_given_up_and_a_late_answer_still_counts(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    driven = []
    for seconds in (70, 130, 190, 250):
        age(gateway, turn_id, seconds)
        driven.append(sweep(gateway))
    given_up = state_of(gateway, turn_id)

    gateway.travel(turn_id, turn_id)

    assert driven == [1, 1, 0, 0]
    assert given_up == ("unanswered", 2)
    assert state_of(gateway, turn_id) == ("answered", 2)
    assert gateway.client().get(f"/v1/turns/{turn_id}").json()["reply"]["text"] == "It is on."


def test_what_came_straight_from_kafka_is_left_to_kafka(gateway: Gateway) -> None:
    turn_id = str(uuid.uuid4())
    gateway.deliver([utterance_event(turn_pb2.Utterance(turn_id=turn_id, text="hello"))])
    age(gateway, turn_id, 70)

    assert sweep(gateway) == 0
    assert not gateway.road.sent
    assert state_of(gateway, turn_id)[0] == "unanswered"
