"""A turn without its final reply by the deadline is driven again, with the same events, and at last apologised for."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from parley.v1 import generation_pb2, principal_pb2, turn_pb2
from services.gateway.redrive import Redrive
from services.gateway.storage import ReplyRow, TurnRow
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, decode, encode
from shared.topology import DEAD_LETTERS, DECISIONS, GIVEN_UP, REPLIES, TRANSCRIPTS, UTTERANCES
from tests.gateway_parts import SEAL, Gateway, journey, running_gateway, said_again, utterance_event

pytestmark = pytest.mark.integration

ADA = principal_pb2.Principal(user_id="ada", roles=["resident"])


@pytest.fixture
def gateway(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    """A gateway over either database, that waits a minute for a reply and drives a turn twice."""
    with running_gateway(tmp_path, database_url, turn_deadline_s=60, max_drives=2, give_up_grace_s=0) as gateway:
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


def test_a_turn_is_driven_from_its_last_finished_stage_and_then_from_its_beginning(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    transcript, understood, decided, _reply = journey(turn_id, turn_id)
    gateway.deliver([transcript, understood, decided])
    age(gateway, turn_id, 70)

    assert sweep(gateway) == 1
    age(gateway, turn_id, 130)
    assert sweep(gateway) == 1

    (again,) = gateway.road.wires
    event = decode(fetched(again.wire), Codecs())
    assert (event.topic, event.id, event.key, event.body) == (DECISIONS, decided.id, turn_id, decided.body)
    assert event.source == "/parley/dialogue"
    assert [each.outgoing.topic for each in gateway.road.sent] == [TRANSCRIPTS, TRANSCRIPTS], "opened, and opened again"


def test_what_is_said_on_the_way_is_no_stage_to_drive_from(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    transcript, understood, decided, reply = journey(turn_id, turn_id)
    gateway.deliver([transcript, understood, decided, said_again(reply, generation_pb2.REPLY_KIND_EARLY, "Working.")])
    age(gateway, turn_id, 70)

    assert sweep(gateway) == 1
    assert [each.wire.topic for each in gateway.road.wires] == [DECISIONS]


@pytest.mark.parametrize(("locale", "words"), [("en", "sorry"), ("zh-CN", "抱歉"), ("fr", "sorry")])
def test_a_turn_driven_in_vain_is_answered_with_an_apology_and_leaves_a_dead_letter(
    gateway: Gateway, locale: str, words: str
) -> None:
    turn_id: str = gateway.client().post("/v1/utterances", json={"text": "hi", "locale": locale}).json()["turn_id"]
    driven = []
    for seconds in (70, 130, 190, 190, 250):
        age(gateway, turn_id, seconds)
        driven.append(sweep(gateway))

    assert driven == [1, 1, 0, 0, 0]
    assert state_of(gateway, turn_id) == ("answered", 2)
    shown = gateway.client().get(f"/v1/turns/{turn_id}").json()
    assert words in shown["reply"]["text"]
    final = gateway.road.sent[-1].outgoing
    assert isinstance(final.body, turn_pb2.Turn)
    assert (final.topic, final.body.reply.kind) == (REPLIES, generation_pb2.REPLY_KIND_FINAL)
    (letter,) = [each.wire for each in gateway.road.wires if each.wire.topic == DEAD_LETTERS]
    assert letter.headers["parley-dead-stage"] == "gateway"
    assert letter.headers["parley-dead-error"] == "Unanswered"
    assert letter.headers["parley-dead-topic"] == TRANSCRIPTS
    assert letter.headers["parley-dead-attempts"] == "3"
    assert turn_pb2.Turn.FromString(letter.body).turn_id == turn_id


def test_before_the_apology_generation_is_told_to_keep_its_reply_back(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    for seconds in (70, 130, 190):
        age(gateway, turn_id, seconds)
        sweep(gateway)

    announced = gateway.road.sent[-1].outgoing
    assert (announced.topic, announced.body) == (GIVEN_UP, turn_pb2.GivenUp(turn_id=turn_id, conversation_id=turn_id))
    assert state_of(gateway, turn_id) == ("open", 2)


def test_a_reply_that_was_under_way_while_the_turn_was_given_up_is_its_answer(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    for seconds in (70, 130, 190):
        age(gateway, turn_id, seconds)
        sweep(gateway)
    gateway.travel(turn_id, turn_id)
    sent = len(gateway.road.sent)
    sweep(gateway)

    assert state_of(gateway, turn_id) == ("answered", 2)
    assert len(gateway.road.sent) == sent, "no apology"


def test_the_apology_waits_until_the_grace_is_over(tmp_path: Path, database_url: str) -> None:
    with running_gateway(tmp_path, database_url, turn_deadline_s=60, max_drives=0, give_up_grace_s=30) as gateway:
        turn_id = accept(gateway)
        age(gateway, turn_id, 70)
        for _ in range(3):
            sweep(gateway)
        assert [each.outgoing.topic for each in gateway.road.sent] == [TRANSCRIPTS, GIVEN_UP]

        with gateway.database.transaction() as session:
            long_ago = datetime.now(UTC) - timedelta(seconds=31)
            session.execute(sa.update(TurnRow).where(TurnRow.turn_id == turn_id).values(closing_at=long_ago))
        sweep(gateway)

        assert gateway.road.sent[-1].outgoing.topic == REPLIES
        assert state_of(gateway, turn_id) == ("answered", 0)


def test_an_answer_after_the_apology_is_no_second_final_reply(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    for seconds in (70, 130, 190, 191):
        age(gateway, turn_id, seconds)
        sweep(gateway)

    gateway.travel(turn_id, turn_id)

    record = gateway.client().get(f"/v1/turns/{turn_id}").json()
    assert "sorry" in record["reply"]["text"]


def test_the_apology_that_comes_back_by_kafka_is_the_one_in_the_ledger(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    for seconds in (70, 130, 190, 191):
        age(gateway, turn_id, seconds)
        sweep(gateway)
    outgoing = gateway.road.sent[-1].outgoing
    wire = encode(outgoing, source="gateway", cause_id=turn_id, inherited={}, codecs=Codecs())

    gateway.deliver([decode(fetched(wire), Codecs())])

    with gateway.database.reading() as session:
        replies = session.scalars(sa.select(ReplyRow).where(ReplyRow.turn_id == turn_id)).all()
    assert [reply.event_id for reply in replies] == [wire.headers["ce_id"]]


def test_who_waits_for_the_answer_gets_the_apology(gateway: Gateway) -> None:
    turn_id = accept(gateway)
    for seconds in (70, 130, 190):
        age(gateway, turn_id, seconds)
        sweep(gateway)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(lambda: gateway.client().get(f"/v1/turns/{turn_id}", params={"wait": 20}).json())
        age(gateway, turn_id, 190)
        sweep(gateway)

        assert "sorry" in waiting.result()["reply"]["text"]


def test_what_came_straight_from_kafka_is_driven_under_its_own_id_and_without_a_seal(gateway: Gateway) -> None:
    """It is in the ledger, so it is answered; but who it says it is from is as little believed as the first time."""
    turn_id = str(uuid.uuid4())
    claimed = turn_pb2.Utterance(turn_id=turn_id, text="unlock the door", principal=ADA)
    event = utterance_event(claimed, id="a-client's-id")
    gateway.deliver([event])
    age(gateway, turn_id, 70)

    assert sweep(gateway) == 1

    (again,) = gateway.road.wires
    read = decode(fetched(again.wire), Codecs())
    assert (read.topic, read.id, read.body) == (UTTERANCES, "a-client's-id", claimed)
    assert SEAL.verify(read) == principal_pb2.Principal()


def fetched(wire: Wire) -> Fetched:
    """A record as it would be fetched."""
    headers = [(name, value.encode()) for name, value in wire.headers.items()]
    return Fetched(wire.topic, 0, 7, wire.key.encode(), headers, wire.body, 1_700_000_000_000, 0.0)
