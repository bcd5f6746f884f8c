"""Every utterance opens a turn: whose it is, where it belongs, and where it goes."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime

import pytest

from parley.v1 import asr_pb2, principal_pb2, stage_pb2, turn_pb2
from services.asr.handler import UtteranceHandler
from services.asr.service import build_listener
from services.asr.settings import AsrSettings
from shared import topology
from shared.blobs import BlobStore
from shared.errors import InvalidEvent, Unavailable
from shared.events import Event, Outgoing, derived_id
from shared.principals import PrincipalSeal

pytestmark = pytest.mark.unit

SEAL = PrincipalSeal(b"k" * 32)
RESIDENT = principal_pb2.Principal(user_id="ada", roles=["resident"])
TURN_ID = str(uuid.UUID(int=7))


def arrived(utterance: turn_pb2.Utterance, key: str = "", headers: dict[str, str] | None = None) -> Event:
    return Event(
        topic=topology.UTTERANCES,
        partition=0,
        offset=3,
        key=key,
        id="event-1",
        type="parley.utterance.v1",
        source="test",
        time=datetime.now(UTC),
        body=utterance,
        headers=headers or {},
        received_at=time.time(),
    )


def handled(event: Event, seal: PrincipalSeal = SEAL) -> tuple[turn_pb2.Turn, Outgoing]:
    listener = build_listener(AsrSettings.load(), BlobStore("memory://handler"))
    (outgoing,) = UtteranceHandler(listener, None, seal).handle(event)
    assert isinstance(outgoing.body, turn_pb2.Turn)
    return outgoing.body, outgoing


def test_typed_text_goes_on_as_it_is() -> None:
    turn, outgoing = handled(arrived(turn_pb2.Utterance(text="把厨房的灯打开", locale="zh-CN")))

    assert outgoing.topic == topology.TRANSCRIPTS
    assert turn.transcript.text == "把厨房的灯打开"
    assert turn.transcript.outcome == asr_pb2.TRANSCRIPT_OUTCOME_TYPED
    assert turn.transcript.confidence == 1
    assert list(turn.route.next) == [stage_pb2.STAGE_NLU, stage_pb2.STAGE_DIALOGUE]
    assert [visit.stage for visit in turn.route.visits] == [stage_pb2.STAGE_ASR]


def test_the_client_names_turn_and_conversation() -> None:
    turn, outgoing = handled(arrived(turn_pb2.Utterance(text="yes", turn_id=TURN_ID, conversation_id="c-1"), key="k"))

    assert (turn.turn_id, turn.conversation_id, outgoing.key) == (TURN_ID, "c-1", "c-1")
    assert (turn.utterance.turn_id, turn.utterance.conversation_id) == (TURN_ID, "c-1")


def test_without_names_the_event_names_the_turn_and_its_key_the_conversation() -> None:
    turn, _ = handled(arrived(turn_pb2.Utterance(text="yes"), key="kitchen-tablet"))

    assert turn.turn_id == derived_id("turn", "event-1")
    assert turn.conversation_id == "kitchen-tablet"


@pytest.mark.parametrize("key", ["", "no spaces allowed", "x" * 201, "厨房", "line\n"])
def test_a_key_that_names_no_conversation_makes_the_turn_one_of_its_own(key: str) -> None:
    turn, _ = handled(arrived(turn_pb2.Utterance(text="yes"), key=key))

    assert turn.conversation_id == turn.turn_id


def test_the_same_event_twice_is_the_same_turn() -> None:
    event = arrived(turn_pb2.Utterance(text="yes"))

    assert handled(event)[0].turn_id == handled(event)[0].turn_id


def test_a_claimed_principal_is_dropped() -> None:
    turn, _ = handled(arrived(turn_pb2.Utterance(text="unlock the door", principal=RESIDENT)))

    assert not turn.utterance.HasField("principal")


def test_a_sealed_principal_is_kept_for_its_turn_alone() -> None:
    utterance = turn_pb2.Utterance(text="unlock the door", principal=RESIDENT, turn_id=TURN_ID)
    sealed = SEAL.seal(utterance)

    assert handled(arrived(utterance, headers=sealed))[0].utterance.principal == RESIDENT
    utterance.turn_id = str(uuid.UUID(int=8))
    assert not handled(arrived(utterance, headers=sealed))[0].utterance.HasField("principal")


def test_writers_of_a_trusted_topic_are_believed() -> None:
    trusting = PrincipalSeal(b"k" * 32, [topology.UTTERANCES])
    turn, _ = handled(arrived(turn_pb2.Utterance(text="unlock the door", principal=RESIDENT)), trusting)

    assert turn.utterance.principal == RESIDENT


def test_the_event_itself_is_left_as_it_came() -> None:
    utterance = turn_pb2.Utterance(text="yes", principal=RESIDENT)
    handled(arrived(utterance))

    assert utterance == turn_pb2.Utterance(text="yes", principal=RESIDENT)


def test_speech_waits_until_the_model_is_loaded() -> None:
    with pytest.raises(Unavailable, match="being loaded"):
        handled(arrived(turn_pb2.Utterance(audio=asr_pb2.Audio(data=b"RIFF"))))


def test_another_body_is_refused() -> None:
    event = arrived(turn_pb2.Utterance(text="yes"))
    wrong = Event(**{name: getattr(event, name) for name in event.__slots__ if name != "body"}, body=turn_pb2.Turn())

    with pytest.raises(InvalidEvent, match="Utterance"):
        handled(wrong)
