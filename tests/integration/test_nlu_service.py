"""The nlu service as it is wired: turns in and out, its artifact, its settings."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from parley.v1 import asr_pb2, nlu_pb2, stage_pb2, turn_pb2
from services.nlu.artifact import TASK, load_models
from services.nlu.engine import NluEngine
from services.nlu.handler import TranscriptHandler
from services.nlu.service import build, load_engine
from services.nlu.servicer import NluServicer
from services.nlu.settings import NluSettings
from services.nlu.training import ensure, ensure_model
from services.nlu.understander import Understander
from shared import topology
from shared.artifacts import MANIFEST, Artifact, Description, Signature, load_artifact, write_artifact
from shared.errors import InvalidArtifact, InvalidEvent, InvalidSettings, Unavailable
from shared.events import Event
from shared.packs import bundled_packs
from shared.runtime.road import open_turn
from shared.settings import StorageSettings
from tests.nlu_model import TRAINING_TIMEOUT, engine, named

pytestmark = [pytest.mark.integration, pytest.mark.timeout(TRAINING_TIMEOUT)]

SAID_AT = datetime(2026, 11, 22, 17, 30, tzinfo=UTC)
TURN = "3d6f0c1e-5a57-4a3a-9f0e-0d5d2b6f7a10"


@pytest.fixture(scope="module")
def understander() -> Iterator[Understander]:
    understander = Understander(engine, max_batch=32, max_waiting=64)
    understander.load()
    yield understander
    understander.close()


def turn_of(utterance: turn_pb2.Utterance, transcript: asr_pb2.Transcript | None = None) -> turn_pb2.Turn:
    turn = open_turn(utterance, TURN, "c1")
    if transcript is not None:
        turn.transcript.CopyFrom(transcript)
        if turn.route.next[0] == stage_pb2.STAGE_ASR:
            del turn.route.next[0]
    return turn


def event_of(body: turn_pb2.Turn | turn_pb2.Utterance) -> Event:
    return Event(
        topic=topology.TRANSCRIPTS,
        partition=0,
        offset=0,
        key="c1",
        id="e1",
        type="parley.turn.transcribed.v1",
        source="test",
        time=SAID_AT,
        body=body,
    )


def handled(understander: Understander, turn: turn_pb2.Turn) -> turn_pb2.Turn:
    (outgoing,) = TranscriptHandler(understander).handle(event_of(turn))
    assert outgoing.topic == topology.UNDERSTANDINGS
    assert isinstance(outgoing.body, turn_pb2.Turn)
    return outgoing.body


def test_a_typed_turn_gets_its_transcript_and_its_understanding(understander: Understander) -> None:
    turn = turn_of(turn_pb2.Utterance(text="turn on the kitchen light"))

    understood = handled(understander, turn)

    assert understood.transcript.outcome == asr_pb2.TRANSCRIPT_OUTCOME_TYPED
    assert (understood.transcript.text, understood.transcript.language) == ("turn on the kitchen light", "en")
    assert understood.understanding.intent == "turn_on"
    assert list(understood.route.next) == [stage_pb2.STAGE_DIALOGUE]
    (visit,) = understood.route.visits
    assert (visit.stage, [model.version for model in visit.models]) == (stage_pb2.STAGE_NLU, [understander.version])
    assert visit.engine_time.ToMicroseconds() > 0
    assert not turn.HasField("understanding")  # the event's own body is as it came


@pytest.mark.parametrize(
    "outcome",
    [
        asr_pb2.TRANSCRIPT_OUTCOME_SILENCE,
        asr_pb2.TRANSCRIPT_OUTCOME_NOT_AUDIO,
        asr_pb2.TRANSCRIPT_OUTCOME_UNINTELLIGIBLE,
    ],
)
def test_a_turn_in_which_nothing_was_heard_goes_on(understander: Understander, outcome: int) -> None:
    audio = turn_pb2.Utterance(audio=asr_pb2.Audio(data=b"x"), locale="zh-CN")
    turn = turn_of(audio, asr_pb2.Transcript(outcome=outcome))  # type: ignore[arg-type]

    understood = handled(understander, turn)

    assert understood.understanding == nlu_pb2.Understanding(language="zh", decided_by="none")
    assert list(understood.route.next) == [stage_pb2.STAGE_DIALOGUE]


def test_tomorrow_counts_from_when_it_was_said_however_late_it_is_read(understander: Understander) -> None:
    utterance = turn_pb2.Utterance(text="remind me to call mom tomorrow at noon")
    utterance.said_at.FromDatetime(datetime(2020, 2, 28, 12, tzinfo=UTC))

    with_moment = handled(understander, turn_of(utterance))
    without = handled(understander, turn_of(turn_pb2.Utterance(text=utterance.text)))

    assert named(with_moment.understanding)["time"] == "2020-02-29T12:00"
    assert named(without.understanding)["time"] == "2026-11-23T12:00"  # the event's own time
    again = handled(understander, turn_of(utterance))
    assert again.understanding == with_moment.understanding


def test_what_is_no_turn_is_refused(understander: Understander) -> None:
    with pytest.raises(InvalidEvent, match=r"body: .* is no turn; send a parley\.v1\.Turn"):
        TranscriptHandler(understander).handle(event_of(turn_pb2.Utterance(text="hello")))


def test_the_api_answers_by_the_same_engine(understander: Understander) -> None:
    request = nlu_pb2.UnderstandRequest(text="打开厨房的灯", locale="zh-CN")

    response = NluServicer(understander).Understand(request, None)  # type: ignore[arg-type]

    assert response.understanding == understander.understand("打开厨房的灯").value


def test_many_callers_share_the_engine(understander: Understander) -> None:
    texts = [f"could somebody dim the kitchen light to {number} percent" for number in range(1, 41)]

    with ThreadPoolExecutor(16) as pool:
        understood = list(pool.map(lambda text: understander.understand(text).value, texts))

    assert [named(one)["brightness"] for one in understood] == [str(number) for number in range(1, 41)]


def test_before_it_is_loaded_it_says_that_it_is_loading() -> None:
    waiting = Understander(engine, max_batch=1, max_waiting=1)

    with pytest.raises(Unavailable, match="still loading"):
        waiting.understand("hello")


def test_the_service_registers_its_api_and_reads_transcripts(storage: StorageSettings) -> None:
    service = build(storage)

    assert (service.name, service.stage, service.subscriptions) == (
        "nlu",
        stage_pb2.STAGE_NLU,
        (topology.TRANSCRIPTS,),
    )
    assert service.grpc_names == ("parley.v1.NluService",)
    server = grpc.server(ThreadPoolExecutor(1))
    for add in service.add_servicers:
        add(server)
    service.close()


def copied_artifact(folder: Path) -> Artifact:
    """A copy of the trained artifact that a test may damage."""
    artifact = ensure_model(StorageSettings.load())
    shutil.copytree(artifact.path, folder)
    return load_artifact(folder, task=TASK)


def reseal(folder: Path, **files: object) -> None:
    """Write `files` as JSON and drop them from the hashes where None, as one who builds a wrong artifact would."""
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))

    def fill(staging: Path) -> Description:
        for name in manifest["files"]:
            (staging / name).parent.mkdir(parents=True, exist_ok=True)
            if files.get(name.removesuffix(".json"), "") is not None:
                shutil.copy(folder / name, staging / name)
        for name, content in files.items():
            if content is not None:
                (staging / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        return Description("nlu", "wrong", "none", TASK, {}, {}, Signature())

    write_artifact(folder.parent / "wrong", fill)


@pytest.mark.parametrize(
    ("files", "named_as"),
    [
        ({"labels": None}, r"files.labels.json: .* is missing; train the model again"),
        ({"labels": {"intents": ["greet"], "slots": []}}, r"labels.json: .* has no out_of_scope intent"),
        ({"labels": {"intents": ["out_of_scope", "fly"], "slots": []}}, r"cannot be loaded|of no loaded pack"),
        ({"calibration": {"en": {"warmth": 1}}}, r"calibration.json: .* is no calibration"),
        ({"calibration": {"en": {"temperature": 1, "threshold": 0.5}}}, r"calibration.json: \['en'\] lacks zh"),
    ],
)
def test_an_artifact_that_lacks_a_part_is_refused(tmp_path: Path, files: dict[str, object], named_as: str) -> None:
    copied_artifact(tmp_path / "copy")
    reseal(tmp_path / "copy", **files)

    with pytest.raises(InvalidArtifact, match=named_as):
        NluEngine(bundled_packs(), load_models(load_artifact(tmp_path / "wrong", task=TASK)))


def test_any_artifact_can_be_named_in_the_settings(tmp_path: Path, storage: StorageSettings) -> None:
    copy = copied_artifact(tmp_path / "copy")

    loaded = load_engine(NluSettings.load(artifact=str(copy.path)), storage)

    assert loaded.version == engine().version
    assert not (storage.data_dir / "models" / "nlu").exists()  # nothing was trained


def test_an_altered_artifact_in_the_settings_is_refused(tmp_path: Path, storage: StorageSettings) -> None:
    copy = copied_artifact(tmp_path / "copy")
    with (copy.path / "zh" / "model.safetensors").open("ab") as weights:
        weights.write(b"\x00")

    with pytest.raises(InvalidArtifact, match=r"files.zh/model.safetensors: .* it was altered"):
        load_engine(NluSettings.load(artifact=str(copy.path)), storage)


@pytest.mark.parametrize(("name", "value"), [("TIME_ZONE", "Mars/Olympus"), ("THREADS", "0"), ("MAX_BATCH", "many")])
def test_a_setting_that_cannot_be_used_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PARLEY_NLU_{name}", value)

    with pytest.raises(InvalidSettings, match=f"PARLEY_NLU_{name}.*{value}"):
        NluSettings.load()


def test_of_several_that_start_at_once_one_trains(storage: StorageSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    trained = threading.Semaphore(0)

    def fake_training(packs: object, version: str, target: Path, console: object) -> Artifact:
        def fill(folder: Path) -> Description:
            trained.release()
            (folder / "labels.json").write_text("{}", encoding="utf-8")
            return Description("nlu", version, "none", TASK, {}, {}, Signature())

        return write_artifact(target, fill)

    monkeypatch.setattr(ensure, "_train", fake_training)
    with ThreadPoolExecutor(4) as pool:
        artifacts = list(pool.map(lambda _: ensure_model(storage), range(4)))

    assert len({artifact.path for artifact in artifacts}) == 1
    assert trained.acquire(blocking=False)
    assert not trained.acquire(blocking=False)


def test_the_trained_artifact_says_where_it_comes_from_and_how_good_it_is() -> None:
    description = ensure_model(StorageSettings.load()).description

    assert (description.name, description.task) == ("nlu", TASK)
    assert set(description.lineage["packs"]) == {pack.name for pack in bundled_packs()}
    assert description.lineage["examples"]["en"] > 1000
    assert description.metrics["en_intent_accuracy"] > 0.6
    assert {"text", "language"} == set(description.signature.inputs)


def test_a_hypothesis_that_means_something_is_understood_instead_of_a_text_that_does_not(
    understander: Understander,
) -> None:
    texts = {"burn on the chicken bride": -2.0, "turn on the kitchen light": -3.5, "turn off the tv": -30.0}
    transcript = asr_pb2.Transcript(
        text="burn on the chicken bride",
        language="en",
        confidence=0.4,
        outcome=asr_pb2.TRANSCRIPT_OUTCOME_RECOGNIZED,
        hypotheses=[asr_pb2.Hypothesis(text=text, acoustic=acoustic) for text, acoustic in texts.items()],
    )
    spoken = turn_pb2.Utterance(audio=asr_pb2.Audio(data=b"RIFF"), locale="en")

    turn = handled(understander, turn_of(spoken, transcript))
    transcript.confidence = 0.95
    clear = handled(understander, turn_of(spoken, transcript))

    assert (turn.understanding.intent, turn.understanding.text) == ("turn_on", "turn on the kitchen light")
    assert turn.transcript.text == "burn on the chicken bride"
    assert "sure" in turn.understanding.text_reason
    assert clear.understanding.text == ""
