"""Dead letters over a real broker: what was given up is sent again, and what it does is done once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session
from typer.testing import CliRunner, Result

from parley.v1 import stage_pb2, turn_pb2
from services.cli.app import application
from services.cli.dead_letter_settling import redrive
from services.cli.dead_letters import Choice, Letter, letters_of
from shared.bus.codec import Codecs
from shared.bus.envelope import Wire, decode, encode
from shared.bus.snapshot import read_all
from shared.errors import PermanentError
from shared.events import Event, Outgoing
from shared.runtime.dead_letters import ID, cut, dead_letter
from shared.runtime.host import Host
from shared.runtime.road import forward, open_turn
from shared.runtime.service import Service
from shared.settings import ServerSettings
from shared.storage.database import Database
from shared.storage.journal import Journal
from shared.topology import DEAD_LETTERS, DECISIONS, UNDERSTANDINGS
from tests.broker import TestBroker, eventually

pytestmark = pytest.mark.integration

METADATA = sa.MetaData()
JOURNAL = Journal("tally", METADATA)
EFFECTS = sa.Table("tally_effects", METADATA, sa.Column("n", sa.Integer, primary_key=True), sa.Column("turn", sa.Text))


@dataclass
class Tally:
    """A stage that writes down each turn it decides; before it is mended, no turn in Klingon is decided."""

    mended: bool

    def handle(self, event: Event, session: Session) -> Sequence[Outgoing]:
        """Write down the turn and pass it on."""
        assert isinstance(event.body, turn_pb2.Turn)
        session.execute(EFFECTS.insert().values(turn=event.body.turn_id))
        if event.body.utterance.locale == "tlh" and not self.mended:
            raise PermanentError("locale: 'tlh' is not understood; mend the stage")
        return [forward(event, event.body, stage_pb2.STAGE_DIALOGUE, DECISIONS, engine_seconds=0.0)]


@dataclass
class Stretch:
    """The stage's stretch of the road: its broker, its database, and the turns of one test."""

    broker: TestBroker
    database: Database
    conversation: str = field(default_factory=lambda: f"c-{uuid.uuid4().hex}")

    @contextmanager
    def stage(self, *, mended: bool) -> Iterator[Host]:
        """The stage as it is released, running."""
        service = Service(
            "tally",
            stage_pb2.STAGE_DIALOGUE,
            (UNDERSTANDINGS,),
            stateful_handler=Tally(mended),
            database=self.database,
            journal=JOURNAL,
        )
        server = ServerSettings.load(grpc_port=0, metrics_port=0)
        host = Host([service], kafka=self.broker.kafka, server=server, group="tally")
        host.start()
        try:
            assert host.wait_ready(30)
            yield host
        finally:
            host.stop()

    def publish(self, locale: str) -> Wire:
        """A turn that was understood."""
        turn = open_turn(turn_pb2.Utterance(text="nuqneH", locale=locale), str(uuid.uuid4()), self.conversation)
        del turn.route.next[0]
        outgoing = Outgoing(UNDERSTANDINGS, self.conversation, turn)
        wire = encode(outgoing, source="nlu", cause_id=turn.turn_id, inherited={}, codecs=Codecs())
        with self.broker.producer() as producer:
            producer.send([wire])
        return wire

    def letters(self, *, handled: bool = False) -> list[Letter]:
        """The dead letters of this test's conversation."""
        choice = Choice(conversation=self.conversation, handled=handled)
        return choice.of(letters_of(read_all(self.broker.profile, DEAD_LETTERS)))

    def wait_for_letters(self, count: int) -> list[Letter]:
        """The open letters, once there are so many."""
        eventually(lambda: len(self.letters()) == count, f"{count} letters are open")
        return self.letters()

    def redrive(self, letters: Sequence[Letter]) -> list[str]:
        """Send letters again; returns what kept each from being sent."""
        with self.broker.producer() as producer:
            return [problem for _, problem in redrive(self.broker.profile, producer, letters, "ann@desk")]

    def effects(self) -> int:
        """How many turns were written down."""
        with self.database.reading() as session:
            return session.execute(sa.select(sa.func.count()).select_from(EFFECTS)).scalar_one()

    def decided(self, count: int) -> list[Event]:
        """The decisions on this test's turns, once there are so many on the wire."""
        mine = self.conversation.encode()
        records = self.broker.read(DECISIONS, until=lambda all_: sum(r.key == mine for r in all_) >= count)
        return [decode(record, Codecs()) for record in records if record.key == mine]


@pytest.fixture
def stretch(broker: TestBroker, database: Database) -> Stretch:
    """An empty stretch of road, over either database."""
    METADATA.create_all(database.engine)
    broker.begin_here(f"{broker.kafka.group_prefix}.tally")
    return Stretch(broker, database)


def test_a_poison_event_that_a_new_release_understands_takes_effect_once(stretch: Stretch) -> None:
    with stretch.stage(mended=False):
        sent = stretch.publish("tlh")
        (letter,) = stretch.wait_for_letters(1)
        assert (letter.latest.stage, letter.latest.error) == ("tally", "PermanentError")
        assert stretch.effects() == 0

    with stretch.stage(mended=True):
        assert stretch.redrive([letter]) == [""]
        stretch.decided(1)
        assert stretch.redrive([letter]) == [""]  # by another operator, who had looked before
        once, again = stretch.decided(2)
        assert once.id == again.id

    assert stretch.effects() == 1
    assert stretch.letters() == []
    (handled,) = stretch.letters(handled=True)
    assert handled.settlement is not None
    assert (handled.settlement.what, handled.settlement.by) == ("redriven", "ann@desk")
    events = [record for record in stretch.broker.read(UNDERSTANDINGS, 3) if record.key == sent.key.encode()]
    as_sent = (sent.body, sent.headers["ce_id"].encode())
    assert [(record.body, dict(record.headers)["ce_id"]) for record in events] == [as_sent] * 3


def test_an_event_that_fails_again_is_the_same_letter_with_one_more_attempt(stretch: Stretch) -> None:
    with stretch.stage(mended=False):
        stretch.publish("tlh")
        (first,) = stretch.wait_for_letters(1)
        stretch.redrive([first])
        (second,) = stretch.wait_for_letters(1)

        assert second.id == first.id
        assert len(second.attempts) == 2
        assert second.latest.headers == first.latest.headers

    with stretch.stage(mended=True):
        stretch.redrive([second])
        stretch.decided(1)

    assert stretch.effects() == 1
    assert stretch.letters() == []


def test_an_event_that_was_handled_before_changes_nothing_and_is_answered_as_then(stretch: Stretch) -> None:
    with stretch.stage(mended=True):
        good = stretch.publish("en")
        (decision,) = stretch.decided(1)
        # Given up by a release before, or by hand: its letter says nothing of what was done since.
        (record,) = [each for each in stretch.broker.read(UNDERSTANDINGS) if each.key == good.key.encode()]
        with stretch.broker.producer() as producer:
            producer.send([dead_letter(record, stage="tally", error=PermanentError("no"), attempts=1)])
        stretch.redrive(stretch.letters())

        first, again = stretch.decided(2)
        assert first.id == again.id == decision.id
        assert first.body == again.body
    assert stretch.effects() == 1


def test_letters_of_a_conversation_are_sent_again_in_their_order(stretch: Stretch) -> None:
    with stretch.stage(mended=False):
        sent = [stretch.publish("tlh") for _ in range(5)]
        letters = stretch.wait_for_letters(5)
    with stretch.stage(mended=True):
        stretch.redrive(list(reversed(letters)))
        turns = [event.body for event in stretch.decided(5)]

    assert [turn.turn_id for turn in turns if isinstance(turn, turn_pb2.Turn)] == [
        turn_pb2.Turn.FromString(wire.body).turn_id for wire in sent
    ]


class Commands:
    """`parley dead-letters` as an operator runs it."""

    def __init__(self, broker: TestBroker, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("PARLEY_KAFKA_BOOTSTRAP_SERVERS", broker.kafka.bootstrap_servers)
        patch.setenv("PARLEY_KAFKA_EMBEDDED_PORT", str(broker.kafka.embedded_port))

    def run(self, *arguments: str) -> Result:
        """One command, to its end."""
        return CliRunner().invoke(application("dead-letters"), ["dead-letters", *arguments])

    def objects(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command says in JSON."""
        done = self.run(*arguments, "--json")
        assert done.exit_code == 0, done.stderr
        return [json.loads(each) for each in done.stdout.splitlines()]


@pytest.fixture
def commands(broker: TestBroker, monkeypatch: pytest.MonkeyPatch) -> Commands:
    """The commands, with settings that name this broker."""
    return Commands(broker, monkeypatch)


def test_the_commands_list_show_try_redrive_and_discard(stretch: Stretch, commands: Commands) -> None:
    with stretch.stage(mended=False):
        wires = [stretch.publish("tlh") for _ in range(2)]
        first, second = stretch.wait_for_letters(2)
    mine = ("--conversation", stretch.conversation)

    listed = commands.run("list", *mine, "--stage", "tally", "--since", "1h")
    assert [each.split()[0] for each in listed.stdout.splitlines()] == [first.id, second.id]
    assert "nuqneH" not in listed.stdout
    assert commands.objects("list", *mine, "--error", "InvalidEvent") == []

    (shown,) = commands.objects("show", first.id)
    assert shown["headers"]["ce_id"] == wires[0].headers["ce_id"]
    assert shown["given_up"][0]["detail"].startswith("locale: 'tlh'")
    assert "body" not in shown
    (shown,) = commands.objects("show", first.id, "--body")
    assert shown["body"]["utterance"]["text"] == "nuqneH"

    assert [each["outcome"] for each in commands.objects("redrive", *mine, "--dry-run")] == ["would be redriven"] * 2
    assert len(stretch.letters()) == 2
    assert commands.objects("redrive", first.id) == [{"id": first.id, "outcome": "redriven", "problem": ""}]
    assert commands.objects("discard", second.id) == [{"id": second.id, "outcome": "discarded", "problem": ""}]

    assert commands.objects("list", *mine) == []
    states = [each["state"] for each in commands.objects("list", *mine, "--handled")]
    assert states == ["redriven", "discarded"]
    refused = commands.run("redrive", second.id)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "discarded already" in refused.stderr


def test_what_cannot_be_sent_again_is_kept_and_the_others_are_sent(stretch: Stretch, commands: Commands) -> None:
    stretch.publish("en")
    (record,) = [each for each in stretch.broker.read(UNDERSTANDINGS) if each.key == stretch.conversation.encode()]
    whole, large = (dead_letter(record, stage=stage, error=PermanentError("no"), attempts=1) for stage in ("a", "b"))
    with stretch.broker.producer() as producer:
        producer.send([cut(large), whole])

    done = commands.run("redrive", "--conversation", stretch.conversation)

    assert done.exit_code == 1
    assert done.stdout.startswith(whole.headers[ID])
    assert f"{large.headers[ID]} is kept: its body of {len(large.body)} bytes was left out" in done.stderr
    assert [letter.id for letter in stretch.letters()] == [large.headers[ID]]


@pytest.mark.parametrize("arguments", [(), ("--all", "--stage", "nlu"), ("an-id", "--all")], ids=str)
def test_what_is_to_be_changed_must_be_said_in_one_way(commands: Commands, arguments: tuple[str, ...]) -> None:
    refused = commands.run("redrive", *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "choose" in refused.stderr
