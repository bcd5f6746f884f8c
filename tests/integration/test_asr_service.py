"""The service as it is hosted: spoken utterances become turns with a transcript, and gRPC hears the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import grpc
import pytest

from parley.v1 import asr_pb2, asr_pb2_grpc, stage_pb2, turn_pb2
from services.asr.evaluation.spelling import comparable
from services.asr.service import build
from shared import topology
from shared.bus.envelope import check
from shared.events import Event
from shared.runtime.grpc_server import GrpcServer
from shared.runtime.service import Service
from shared.settings import StorageSettings
from tests.asr_sounds import clip, encoded, silence

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = build(StorageSettings.load(data_dir=tmp_path_factory.mktemp("data")))
    service.load()
    yield service
    service.close()


@pytest.fixture(scope="module")
def stub(service: Service) -> Iterator[asr_pb2_grpc.AsrServiceStub]:
    server = GrpcServer("127.0.0.1", 0, 4, lambda _: True)
    server.start([service])
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield asr_pb2_grpc.AsrServiceStub(channel)
    server.stop(grace=1)


def turn_of(service: Service, utterance: turn_pb2.Utterance) -> turn_pb2.Turn:
    event = Event(
        topic=topology.UTTERANCES,
        partition=0,
        offset=0,
        key="kitchen",
        id="event-1",
        type="parley.utterance.v1",
        source="test",
        time=datetime.now(UTC),
        body=utterance,
        received_at=time.time(),
    )
    assert service.handler is not None
    (outgoing,) = service.handler.handle(event)
    check(outgoing.body)  # what the runtime does before it sends
    assert isinstance(outgoing.body, turn_pb2.Turn)
    assert (outgoing.topic, outgoing.key) == (topology.TRANSCRIPTS, "kitchen")
    return outgoing.body


def test_a_spoken_utterance_becomes_a_turn_with_its_words(service: Service) -> None:
    turn = turn_of(service, turn_pb2.Utterance(audio=asr_pb2.Audio(data=clip("turn_on_the_kitchen_light"))))

    assert comparable(turn.transcript.text, "en") == "turn on the kitchen light"
    assert turn.transcript.outcome == asr_pb2.TRANSCRIPT_OUTCOME_RECOGNIZED
    assert list(turn.route.next) == [stage_pb2.STAGE_NLU, stage_pb2.STAGE_DIALOGUE]
    (visit,) = turn.route.visits
    assert visit.stage == stage_pb2.STAGE_ASR
    assert visit.models[0].name == "asr"
    assert visit.models[0].version.startswith("whisper-tiny.en-")
    assert 0 < visit.engine_time.ToMicroseconds() <= visit.stage_time.ToMicroseconds()


def test_the_turn_carries_a_claim_check_that_can_be_heard_again(service: Service) -> None:
    turn = turn_of(service, turn_pb2.Utterance(audio=asr_pb2.Audio(data=clip("yes"))))
    again = turn_of(service, turn_pb2.Utterance(audio=turn.utterance.audio))

    assert turn.utterance.audio.WhichOneof("source") == "claim_check"
    assert again.utterance.audio == turn.utterance.audio
    assert again.transcript == turn.transcript


def test_what_cannot_be_heard_goes_on_to_be_answered(service: Service) -> None:
    for audio, outcome in (
        (asr_pb2.Audio(data=encoded(silence(1))), asr_pb2.TRANSCRIPT_OUTCOME_SILENCE),
        (asr_pb2.Audio(data=b"this is a letter"), asr_pb2.TRANSCRIPT_OUTCOME_NOT_AUDIO),
        (
            asr_pb2.Audio(claim_check=asr_pb2.ClaimCheck(uri="file:///etc/hostname", sha256="0" * 64)),
            asr_pb2.TRANSCRIPT_OUTCOME_UNREADABLE,
        ),
    ):
        turn = turn_of(service, turn_pb2.Utterance(audio=audio))

        assert turn.transcript.outcome == outcome
        assert turn.transcript.detail
        assert list(turn.route.next) == [stage_pb2.STAGE_NLU, stage_pb2.STAGE_DIALOGUE]


def test_the_service_reads_every_utterance_and_nothing_else(service: Service) -> None:
    assert service.subscriptions == (topology.UTTERANCES,)
    assert service.reads_everything
    assert service.grpc_names == ("parley.v1.AsrService",)


def test_a_recording_is_heard_by_grpc(stub: asr_pb2_grpc.AsrServiceStub) -> None:
    request = asr_pb2.TranscribeRequest(audio=asr_pb2.Audio(data=clip("lock_the_front_door")), locale="en-US")
    transcript = stub.Transcribe(request, timeout=60).transcript

    assert transcript.text.lower().strip(".") == "lock the front door"


def test_what_cannot_be_heard_is_an_answer_not_an_error(stub: asr_pb2_grpc.AsrServiceStub) -> None:
    request = asr_pb2.TranscribeRequest(audio=asr_pb2.Audio(data=clip("yes")), locale="zh")

    assert stub.Transcribe(request, timeout=60).transcript.outcome == asr_pb2.TRANSCRIPT_OUTCOME_UNSUPPORTED_LOCALE


def test_a_request_without_audio_is_refused_with_every_field_it_lacks(stub: asr_pb2_grpc.AsrServiceStub) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        stub.Transcribe(asr_pb2.TranscribeRequest(locale="not a locale"), timeout=60)

    error = caught.value
    assert isinstance(error, grpc.Call)
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "audio" in str(error.details())
    assert "locale" in str(error.details())
