"""Hearing in context over a real broker, and what the command line measures."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from parley.v1 import asr_pb2, dialogue_pb2, turn_pb2
from services.asr import service as asr
from services.asr.contexts import Contexts
from services.asr.engine.context.wording import is_number, words
from services.asr.engine.listener import Listener
from services.asr.evaluation import evaluate, read_manifest
from services.asr.expecting import Expecting
from services.asr.settings import AsrSettings
from services.cli.app import application
from shared.blobs import BlobStore
from shared.bus.codec import Codecs
from shared.bus.envelope import decode, encode
from shared.bus.tail import Tail
from shared.bus.topics import ensure_topics
from shared.errors import InvalidInput
from shared.events import Outgoing
from shared.packs import bundled_packs
from shared.settings import StorageSettings
from shared.topology import CONTEXTS, TRANSCRIPTS, UTTERANCES
from tests.asr_sounds import clip, encoded, without_speech
from tests.broker import TestBroker, eventually
from tests.integration.runtime_doubles import hosting

pytestmark = pytest.mark.integration
TALK = "order-desk"


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    blobs = BlobStore(tmp_path_factory.mktemp("blobs").as_uri(), max_bytes=1_000_000)
    listener = asr.build_listener(AsrSettings.load(), blobs)
    listener.load()
    yield listener
    listener.close()


@pytest.fixture(scope="module")
def expecting() -> Expecting:
    return Expecting(bundled_packs())


def context(conversation: str, revision: int, **fields: object) -> dialogue_pb2.Context:
    told = dialogue_pb2.Context(conversation_id=conversation, revision=revision, **fields)  # type: ignore[arg-type]
    told.active_packs.extend(["customer_service", "conversation"])
    return told


def tell(broker: TestBroker, told: dialogue_pb2.Context) -> None:
    wire = encode(
        Outgoing(CONTEXTS, told.conversation_id, told),
        source="dialogue",
        cause_id=str(uuid.uuid4()),
        inherited={},
        codecs=Codecs(),
    )
    with broker.producer() as producer:
        producer.send([wire])


def follow(broker: TestBroker, contexts: Contexts) -> Tail:
    tail = Tail(broker.profile, CONTEXTS, contexts.tell, contexts.forget)
    tail.start()
    return tail


def misheard_digit(listener: Listener, expecting: Expecting, shared_data: Path) -> tuple[bytes, str]:
    """A recorded digit that is heard rightly where a code is expected, and otherwise not."""
    asked = expecting.of_packs(["customer_service", "conversation"], expect="code")
    for recording in read_manifest(shared_data / "speech" / "manifest.jsonl", "fsdd_digits")[100:]:
        data = recording.audio.read_bytes()
        heard: Callable[..., str] = lambda *given: (  # noqa: E731
            listener.transcribe(asr_pb2.Audio(data=data), "en", *given).transcript.text.lower().strip(".!? ")  # noqa: B023
        )
        if heard() != recording.text and heard(asked) == recording.text:
            return data, str(recording.text)
    raise AssertionError("every digit was heard alike with and without context")


def test_a_context_changes_how_the_next_utterance_of_its_conversation_is_heard(
    broker: TestBroker,
    listener: Listener,
    expecting: Expecting,
    shared_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, said = misheard_digit(listener, expecting, shared_data)
    servers = ",".join(broker.profile.bootstrap_servers)
    monkeypatch.setenv("PARLEY_KAFKA_BOOTSTRAP_SERVERS", servers)
    service = asr.build(StorageSettings.load(data_dir=tmp_path))
    ours, theirs = f"{TALK}-{uuid.uuid4().hex}", f"other-{uuid.uuid4().hex}"
    tell(broker, context(ours, 7, requested_slot="order_id", last_reply="What is the order number?"))

    with hosting(broker, service):
        contexts = service.handler._expecting._contexts  # type: ignore[union-attr]
        eventually(lambda: contexts.of(ours), "the context is known")
        for conversation in (ours, theirs):
            utterance = turn_pb2.Utterance(conversation_id=conversation, audio=asr_pb2.Audio(data=data), locale="en")
            broker.publish(
                UTTERANCES,
                utterance.SerializeToString(),
                key=conversation.encode(),
                headers=[("content-type", b"application/protobuf")],
            )
        records = broker.read(TRANSCRIPTS, 2)
    turns = {}
    for record in records:
        body = decode(record, Codecs()).body
        assert isinstance(body, turn_pb2.Turn)
        turns[body.conversation_id] = body.transcript

    assert turns[ours].text.lower().strip(".!? ") == said
    assert turns[ours].listening.chosen == asr_pb2.LISTENING_BIASED
    assert turns[ours].listening.context_revision == 7
    assert turns[ours].listening.expected == "code"
    assert turns[ours].listening.packs[0] == "customer_service"
    assert turns[theirs].text.lower().strip(".!? ") != said
    assert turns[theirs].listening.context_revision == 0


def test_every_replica_knows_every_conversation_and_what_was_told_before_it_started(broker: TestBroker) -> None:
    names = [f"talk-{uuid.uuid4().hex}" for _ in range(12)]
    for name in names[:6]:
        tell(broker, context(name, 1))
    replicas = [Contexts(100), Contexts(100)]
    tails = [follow(broker, contexts) for contexts in replicas]
    try:
        for name in names[6:]:
            tell(broker, context(name, 1))
        for contexts in replicas:
            eventually(lambda contexts=contexts: all(map(contexts.of, names)), "all are known")  # type: ignore[misc]
        broker.publish(CONTEXTS, None, key=names[0].encode(), partition=None)
    finally:
        for tail in tails:
            tail.stop()


def test_what_cannot_be_read_and_a_broker_that_restarts_stop_nothing(broker: TestBroker) -> None:
    if broker.embedded is None:
        pytest.skip("restarts the broker, and this one is not ours")
    contexts = Contexts(100)
    tail = follow(broker, contexts)
    try:
        broker.publish(CONTEXTS, b"\xff\xff", key=b"poison")
        tell(broker, context("before", 1))
        eventually(lambda: contexts.of("before"), "the first is known")
        broker.embedded.stop()
        time.sleep(0.5)
        broker.embedded.start()
        ensure_topics(broker.profile, broker.kafka)
        tell(broker, context("after", 1))
        eventually(lambda: contexts.of("after"), "the one after the restart is known")
    finally:
        tail.stop()

    assert contexts.of("before") is not None


def test_home_commands_are_heard_within_the_floor(listener: Listener, expecting: Expecting, shared_data: Path) -> None:
    recordings = read_manifest(shared_data / "speech" / "manifest.jsonl", "rhasspy_commands")

    figures = evaluate(listener, recordings, expecting.of_packs(["smart_home", "conversation"]))

    assert figures.wer <= 0.12, figures.wrong
    assert figures.chosen["biased"] > 0


def test_expecting_commands_adds_no_error_to_speech_that_is_none(
    listener: Listener, expecting: Expecting, shared_data: Path
) -> None:
    manifest = shared_data / "speech" / "manifest.jsonl"
    recordings = [*read_manifest(manifest, "pocketsphinx_librivox"), *read_manifest(manifest, "ljspeech")]

    plain = evaluate(listener, recordings, None)
    biased = evaluate(listener, recordings, expecting.of_packs(["smart_home", "conversation", "customer_service"]))

    assert biased.errors <= plain.errors


def test_digits_are_heard_within_the_floor_where_a_number_was_asked_for(
    listener: Listener, expecting: Expecting, shared_data: Path
) -> None:
    recordings = read_manifest(shared_data / "speech" / "manifest.jsonl", "fsdd_digits")[2::4]  # looked at: every [::4]

    figures = evaluate(listener, recordings, expecting.of_packs(["customer_service"], expect="number"))

    assert figures.words >= 40
    assert figures.wer <= 0.15, figures.wrong


def test_who_is_asked_for_a_number_and_says_something_else_is_not_taken_to_have_said_one(
    listener: Listener, expecting: Expecting, shared_data: Path
) -> None:
    manifest = shared_data / "speech" / "manifest.jsonl"
    recordings = [
        each
        for name in ("rhasspy_commands", "pocketsphinx_librivox", "ljspeech")
        for each in read_manifest(manifest, name)
    ]
    asked = expecting.of_packs(["smart_home", "conversation", "customer_service"], expect="number")

    heard = [
        words(listener.transcribe(asr_pb2.Audio(data=each.audio.read_bytes()), "en", asked).transcript.text)
        for each in recordings
    ]

    assert len(heard) >= 20
    assert [said for said in heard if said and all(map(is_number, said))] == []


@pytest.mark.parametrize("expect", ["", "number"])
def test_noise_stays_noise_whatever_is_expected(listener: Listener, expecting: Expecting, expect: str) -> None:
    expected = expecting.of_packs(["smart_home", "conversation"], expect=expect)
    for name, sound in without_speech().items():
        transcript = listener.transcribe(asr_pb2.Audio(data=encoded(sound)), "en", expected).transcript

        assert transcript.text == "", name
        assert transcript.outcome != asr_pb2.TRANSCRIPT_OUTCOME_RECOGNIZED


def test_the_command_line_measures_and_says_what_is_wrong_with_a_manifest(tmp_path: Path) -> None:
    (tmp_path / "yes.flac").write_bytes(clip("yes"))
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text('{"audio": "yes.flac", "text": "Yes!"}\n{"audio": "yes.flac", "text": null}\n')
    run = CliRunner()

    arguments = ["evaluate", "asr", "--manifest", str(manifest), "--domain", "smart_home", "--json"]
    done = run.invoke(application("evaluate"), arguments)
    figures = json.loads(done.stdout)

    assert done.exit_code == 0
    assert (figures["wer"], figures["errors"], figures["words"], figures["empty"]) == (0.0, 0, 1, 0)
    assert figures["real_time_factor"] > 0
    assert (figures["clips"], figures["compared"]) == (2, 1)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("nothing", "manifest.jsonl:1: 'nothing' is not JSON"),
        ('{"text": "yes"}', "manifest.jsonl:1: audio: '' is missing"),
        ('{"audio": "gone.wav", "text": "yes"}', "manifest.jsonl:1: audio: 'gone.wav' is no file"),
        ('{"audio": 3}', "manifest.jsonl:1: audio: 3 is no text"),
    ],
)
def test_a_bad_line_is_told_with_file_line_field_and_remedy(tmp_path: Path, line: str, told: str) -> None:
    manifest = tmp_path / "manifest.jsonl"
    manifest.write_text(line)

    with pytest.raises(InvalidInput) as caught:
        read_manifest(manifest)

    assert told in str(caught.value)
