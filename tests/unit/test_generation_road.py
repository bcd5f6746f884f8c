"""Generation on the road and behind gRPC: the turn gets its reply, signed and addressed."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime

import pytest

from parley.v1 import (
    dialogue_pb2,
    dispatch_pb2,
    generation_pb2,
    nlu_pb2,
    stage_pb2,
    turn_pb2,
)
from services.generation.engine import Generator
from services.generation.given_up import GivenUp
from services.generation.handler import GenerationHandler
from services.generation.service import build
from services.generation.settings import GenerationSettings
from services.generation.templates import TemplateBackend
from shared import topology
from shared.errors import InvalidSettings, Unavailable
from shared.events import Event, Outgoing
from shared.packs import bundled_packs
from shared.settings import StorageSettings

pytestmark = pytest.mark.unit

GENERATION = stage_pb2.STAGE_GENERATION
TASK_DONE = generation_pb2.DIALOGUE_ACT_TYPE_TASK_DONE


@pytest.fixture(scope="module")
def generator() -> Generator:
    generator = Generator(lambda: TemplateBackend(bundled_packs()))
    generator.load()
    return generator


def turn(*acts: generation_pb2.DialogueAct, locale: str = "", language: str = "en") -> turn_pb2.Turn:
    turn_id = str(uuid.uuid4())
    return turn_pb2.Turn(
        turn_id=turn_id,
        conversation_id="c1",
        utterance=turn_pb2.Utterance(turn_id=turn_id, conversation_id="c1", text="hello", locale=locale),
        understanding=nlu_pb2.Understanding(language=language),
        decision=dialogue_pb2.Decision(acts=acts),
        route=turn_pb2.Route(next=[GENERATION], attempt=2),
    )


def decided(given: turn_pb2.Turn) -> Event:
    now = datetime.now(UTC)
    return Event(topology.DECISIONS, 0, 0, "c1", "e1", "t", "s", now, given, received_at=now.timestamp())


def handled(generator: Generator, given: turn_pb2.Turn) -> tuple[Outgoing, turn_pb2.Turn]:
    (outgoing,) = GenerationHandler(generator, GivenUp()).handle(decided(given))
    assert isinstance(outgoing.body, turn_pb2.Turn)
    return outgoing, outgoing.body


def test_a_decided_turn_leaves_with_its_final_reply_and_the_version_that_worded_it(generator: Generator) -> None:
    given = turn(generation_pb2.DialogueAct(type=TASK_DONE, task_id="t1"))
    given.task_results.append(
        dispatch_pb2.TaskResult(task_id="t1", action="home.turn_on", values={"device": "light", "area": "kitchen"})
    )

    outgoing, answered = handled(generator, given)

    assert (outgoing.topic, outgoing.key) == (topology.REPLIES, "c1")
    assert answered.reply.text == "The kitchen light is on."
    assert answered.reply.kind == generation_pb2.REPLY_KIND_FINAL
    assert (answered.reply.number, answered.reply.attempt) == (0, 2)
    assert not answered.route.next
    (visit,) = answered.route.visits
    (model,) = visit.models
    assert (visit.stage, model.name, model.version) == (GENERATION, "generation", generator.backend.version)


def test_the_reply_is_of_the_kind_the_decision_says(generator: Generator) -> None:
    given = turn(generation_pb2.DialogueAct(type=generation_pb2.DIALOGUE_ACT_TYPE_NOTIFY))
    given.decision.reply_kind = generation_pb2.REPLY_KIND_NOTIFICATION

    assert handled(generator, given)[1].reply.kind == generation_pb2.REPLY_KIND_NOTIFICATION


@pytest.mark.parametrize(
    ("locale", "language", "spoken"), [("", "zh", "zh"), ("en", "zh", "en"), ("zh-CN", "en", "zh"), ("", "", "en")]
)
def test_the_locale_goes_before_the_language_that_was_understood(
    generator: Generator, locale: str, language: str, spoken: str
) -> None:
    greeting = generation_pb2.DialogueAct(type=generation_pb2.DIALOGUE_ACT_TYPE_GREET)

    assert handled(generator, turn(greeting, locale=locale, language=language))[1].reply.language == spoken


def test_a_decision_without_acts_is_apologised_for(generator: Generator) -> None:
    assert handled(generator, turn())[1].reply.text.startswith("Sorry, something went wrong")


def test_an_event_handled_twice_sends_the_same(generator: Generator) -> None:
    given = turn(generation_pb2.DialogueAct(type=generation_pb2.DIALOGUE_ACT_TYPE_HELP))

    first, second = handled(generator, given), handled(generator, given)

    assert first[1].reply == second[1].reply
    assert first[0].discriminator == second[0].discriminator


def test_a_turn_that_was_given_up_gets_no_reply_but_what_comes_due_later(generator: Generator) -> None:
    given, other = turn(generation_pb2.DialogueAct(type=TASK_DONE)), turn(generation_pb2.DialogueAct(type=TASK_DONE))
    given_up = GivenUp()
    handler = GenerationHandler(generator, given_up)
    given_up.tell("c1", turn_pb2.GivenUp(turn_id=given.turn_id, conversation_id="c1"))

    assert handler.handle(decided(given)) == []
    assert len(handler.handle(decided(other))) == 1
    given.decision.reply_kind = generation_pb2.REPLY_KIND_NOTIFICATION
    assert len(handler.handle(decided(given))) == 1


def test_the_turns_given_up_longest_ago_are_forgotten_first() -> None:
    given_up = GivenUp(most=2)
    for number in "123":
        given_up.tell("c1", turn_pb2.GivenUp(turn_id=number, conversation_id="c1"))

    assert [number in given_up for number in "123"] == [False, True, True]


def test_the_service_hosts_the_template_backend_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    service = build(StorageSettings())

    assert service.subscriptions == (topology.DECISIONS, topology.EVIDENCE, topology.TASK_RESULTS)
    service.load()
    monkeypatch.setenv("PARLEY_GENERATION_BACKEND", "parrot")
    with pytest.raises(InvalidSettings, match="PARLEY_GENERATION_BACKEND"):
        GenerationSettings.load()


def test_before_it_has_loaded_nothing_is_worded() -> None:
    with pytest.raises(Unavailable, match="loading"):
        Generator(lambda: TemplateBackend(bundled_packs())).generate(generation_pb2.GenerateRequest())
