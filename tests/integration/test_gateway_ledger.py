"""The turn ledger: every event of every turn once, the first final reply for good, on either database."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect

from parley.v1 import asr_pb2, generation_pb2, principal_pb2, stage_pb2, turn_pb2
from services.gateway.ledger_reader import LedgerReader, LedgerRecord, Viewer
from services.gateway.storage import Base
from services.gateway.view import turn_view
from shared.bus.codec import Codecs
from shared.errors import NotFound
from shared.events import derived_id
from shared.storage.database import Database
from shared.storage.migrate import upgrade
from shared.topology import UTTERANCES
from tests.gateway_parts import SEAL, Gateway, event_of, journey, running_gateway, said_again, turn_of, utterance_event

pytestmark = pytest.mark.integration

FINAL, NOTIFICATION = generation_pb2.REPLY_KIND_FINAL, generation_pb2.REPLY_KIND_NOTIFICATION
NOBODY = Viewer(principal_pb2.Principal())
ADA = principal_pb2.Principal(user_id="ada", tenant="north")


@pytest.fixture
def gateway(tmp_path: Path, database_url: str) -> Iterator[Gateway]:
    """A gateway over either database."""
    with running_gateway(tmp_path, database_url, doors=False) as gateway:
        yield gateway


def record_of(gateway: Gateway, turn_id: str, viewer: Viewer = NOBODY) -> LedgerRecord:
    """What the ledger knows of a turn."""
    reader = LedgerReader(gateway.database, Codecs())
    return reader.record(reader.turn(turn_id, viewer))


def test_the_migrations_make_the_tables_the_code_uses(database: Database) -> None:
    upgrade(database, "services.gateway.migrations")
    upgrade(database, "services.gateway.migrations")  # a second start changes nothing

    found = inspect(database.engine)
    for table in Base.metadata.sorted_tables:
        columns = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
        assert columns == {column.name: bool(column.nullable) for column in table.columns}, table.name
        indexes = {name for index in found.get_indexes(table.name) if (name := index["name"])}
        assert {index.name for index in table.indexes} <= indexes, table.name


def test_a_turn_is_recorded_stage_by_stage(gateway: Gateway) -> None:
    events = journey()

    gateway.deliver(events)

    record = record_of(gateway, turn_of(events[0]).turn_id)
    stages = [stage_pb2.STAGE_GATEWAY, stage_pb2.STAGE_NLU, stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION]
    assert [event.stage for event in record.events] == stages
    assert [event.turn for event in record.events] == [event.body for event in events]
    assert record.turn.state == "answered"
    assert record.turn.latency_ms is not None
    assert record.current == events[-1].body


def test_events_that_come_again_or_out_of_order_make_no_difference(gateway: Gateway) -> None:
    events = journey()

    gateway.deliver([events[3], events[1], events[0], events[2], events[1], events[3]])

    record = record_of(gateway, turn_of(events[0]).turn_id)
    assert [event.turn for event in record.events] == [event.body for event in events]
    assert record.current == events[-1].body


def test_the_first_final_reply_is_kept(gateway: Gateway) -> None:
    *events, final = journey(reply="It is on.")

    gateway.deliver([*events, final, said_again(final, FINAL, "It is off.", attempt=1)])

    record = record_of(gateway, turn_of(final).turn_id)
    assert [event.turn.reply.text for event in record.replies] == ["It is on."]
    assert record.current.reply.text == "It is on."
    assert len(record.events) == 5  # the second one is on record all the same


def test_early_replies_and_notifications_stand_beside_the_final_one(gateway: Gateway) -> None:
    *events, final = journey()
    early = said_again(final, generation_pb2.REPLY_KIND_EARLY, "Working on it.")
    due = [said_again(final, NOTIFICATION, f"Timer {number} is up.") for number in (1, 2)]

    gateway.deliver([*events, early])
    before = record_of(gateway, turn_of(final).turn_id)
    gateway.deliver([final, *due])
    after = record_of(gateway, turn_of(final).turn_id)

    assert before.turn.state == "open"
    assert [event.turn.reply.text for event in before.replies] == ["Working on it."]
    assert {event.turn.reply.text for event in after.replies} == {
        "Working on it.",
        "It is on.",
        "Timer 1 is up.",
        "Timer 2 is up.",
    }
    assert after.current.reply.text == "It is on."


@pytest.mark.parametrize(
    ("given", "key", "conversation"),
    [
        ({"conversation_id": "own"}, "key", "own"),
        ({}, "key", "key"),
        ({}, "no conversation id!", None),
        ({}, "", None),
    ],
)
def test_an_utterance_published_straight_to_kafka_opens_a_turn_by_the_rule_of_asr(
    gateway: Gateway, given: dict[str, Any], key: str, conversation: str | None
) -> None:
    utterance = turn_pb2.Utterance(text="hello", **given)

    gateway.deliver([utterance_event(utterance, id="their-id", key=key)])

    turn_id = derived_id("turn", "their-id")
    record = record_of(gateway, turn_id)
    assert record.turn.conversation_id == (conversation or turn_id)
    assert record.turn.state == "open"
    assert record.current.utterance.text == "hello"


def test_a_sealed_utterance_belongs_to_its_user_and_an_unproven_one_to_nobody(gateway: Gateway) -> None:
    proven, claimed = str(uuid.uuid4()), str(uuid.uuid4())
    seal = SEAL.seal(turn_pb2.Utterance(turn_id=proven, text="hello", principal=ADA))

    for turn_id in (proven, claimed):
        utterance = turn_pb2.Utterance(turn_id=turn_id, text="hello", principal=ADA)
        gateway.deliver([event_of(UTTERANCES, utterance, **seal)])

    assert record_of(gateway, proven, Viewer(ADA)).turn.user_id == "ada"
    assert record_of(gateway, claimed, NOBODY).turn.user_id == ""


@pytest.mark.parametrize(
    ("viewer", "sees"),
    [
        pytest.param(Viewer(ADA), True, id="its user"),
        pytest.param(Viewer(principal_pb2.Principal(user_id="bob", tenant="north")), False, id="another user"),
        pytest.param(Viewer(principal_pb2.Principal(user_id="ada")), False, id="a namesake of another tenant"),
        pytest.param(NOBODY, False, id="nobody"),
        pytest.param(Viewer(principal_pb2.Principal(user_id="op", tenant="north"), True), True, id="an operator"),
        pytest.param(Viewer(principal_pb2.Principal(user_id="op"), True), False, id="another tenant's operator"),
    ],
)
def test_a_turn_is_seen_by_its_user_and_by_operators_of_its_tenant(
    gateway: Gateway, viewer: Viewer, sees: bool
) -> None:
    events = journey(conversation_id="hall")
    for event in events:
        turn = event.body
        assert isinstance(turn, turn_pb2.Turn)
        turn.utterance.principal.CopyFrom(ADA)
    gateway.deliver(events)
    turn_id = turn_of(events[0]).turn_id
    reader = LedgerReader(gateway.database, Codecs())

    listed = [record.turn.turn_id for record in reader.turns(viewer, "hall", 10)]

    assert listed == ([turn_id] if sees else [])
    if sees:
        assert reader.turn(turn_id, viewer).turn_id == turn_id
    else:
        with pytest.raises(NotFound, match="names no turn of yours"):
            reader.turn(turn_id, viewer)


def test_turns_are_listed_newest_first_with_their_farthest_stage(gateway: Gateway) -> None:
    answered, begun = journey(conversation_id="hall", reply="First."), journey(conversation_id="hall")
    gateway.deliver(answered)
    gateway.deliver(begun[:2])
    gateway.deliver(journey(conversation_id="elsewhere"))

    records = LedgerReader(gateway.database, Codecs()).turns(NOBODY, "hall", 10)

    assert [record.turn.turn_id for record in records] == [turn_of(begun[0]).turn_id, turn_of(answered[0]).turn_id]
    assert records[0].current.understanding.intent == "turn_on"
    assert records[1].current.reply.text == "First."


def test_the_view_tells_everything_in_the_contracts_own_words(gateway: Gateway) -> None:
    events = journey(said="turn on the light", reply="It is on.")
    gateway.deliver(events)

    view = turn_view(record_of(gateway, turn_of(events[0]).turn_id))

    assert view["transcript"]["text"] == "turn on the light"
    assert view["understanding"]["intent"] == "turn_on"
    assert view["understanding"]["out_of_scope"] is False  # there although it is the default
    assert view["understanding"]["slots"][0]["value"] == "light"
    assert view["decision"] is None  # dialogue wrote nothing in this journey
    assert view["reply"]["text"] == "It is on."
    assert [reply["kind"] for reply in view["replies"]] == ["REPLY_KIND_FINAL"]
    assert view["engine_ms"] == {"gateway": 0.0, "nlu": 2.0, "dialogue": 2.0, "generation": 2.0}
    assert set(view["timings_ms"]) == {"gateway", "nlu", "dialogue", "generation"}
    assert view["model_versions"] == {"nlu": [{"name": "nlu", "version": "2026.11.22-1a2b3c4d", "rollout_revision": 7}]}
    assert [event["stage"] for event in view["events"]] == ["gateway", "nlu", "dialogue", "generation"]


def test_stages_a_turn_passes_twice_are_summed(gateway: Gateway) -> None:
    *events, final = journey()
    turn = turn_of(final)
    turn.route.visits.add(stage=stage_pb2.STAGE_DIALOGUE).engine_time.FromMilliseconds(5)

    gateway.deliver([*events, event_of(final.topic, turn)])

    assert turn_view(record_of(gateway, turn.turn_id))["engine_ms"]["dialogue"] == 7.0


def test_the_view_shows_neither_recordings_nor_principals(gateway: Gateway) -> None:
    turn_id = str(uuid.uuid4())
    utterance = turn_pb2.Utterance(turn_id=turn_id, audio=asr_pb2.Audio(data=b"RIFF....", content_type="audio/wav"))
    utterance.principal.CopyFrom(ADA)
    gateway.deliver([event_of(UTTERANCES, utterance, **SEAL.seal(utterance))])

    view = turn_view(record_of(gateway, turn_id, Viewer(ADA)))

    assert view["utterance"]["audio"] == {"content_type": "audio/wav", "size_bytes": 8}
    assert "principal" not in view["utterance"]


def test_time_is_told_with_its_zone(gateway: Gateway) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    events = journey()
    gateway.deliver(events)

    turn = record_of(gateway, turn_of(events[0]).turn_id).turn

    assert before < turn.opened_at < datetime.now(UTC)
    assert turn.answered_at is not None
    assert turn.answered_at >= turn.opened_at
