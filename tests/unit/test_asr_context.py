"""What is expected of an utterance: scores, prompts, and which hypothesis may win."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from parley.v1 import dialogue_pb2
from services.asr.contexts import Contexts
from services.asr.engine.context.expectation import Expectation
from services.asr.engine.context.prompting import prompt_tokens
from services.asr.engine.context.rescoring import Weights, weigh
from services.asr.engine.context.wording import words
from services.asr.engine.interface import BIASED, PLAIN, Candidate, Passage, Prompt
from services.asr.expecting import Expecting
from shared.packs import Listening, bundled_packs

pytestmark = pytest.mark.unit
TALK = "kitchen-1"


@pytest.fixture(scope="module")
def contexts() -> Contexts:
    return Contexts(100)


@pytest.fixture(scope="module")
def expecting(contexts: Contexts) -> Expecting:
    return Expecting(bundled_packs(), contexts)


@pytest.fixture(scope="module")
def home(expecting: Expecting) -> Expectation:
    return expecting.of_packs(["smart_home", "conversation"])


@dataclass
class EncodedSpeechDouble:
    """A clip with known probabilities in place of a model: `sounds` says how likely each text is in it."""

    sounds: dict[str, float]
    biased: Sequence[str] = ()
    prompts: list[Prompt] = field(default_factory=list)

    def hypotheses(self, prompt: Prompt, vocabulary: frozenset[str] = frozenset()) -> Sequence[Candidate]:
        self.prompts.append(prompt)
        return [] if vocabulary else [Candidate(text, -0.1) for text in self.biased]

    def acoustic(self, text: str) -> float:
        return self.sounds[text]


def heard(text: str, log_probability: float = -0.7) -> Passage:
    return Passage(text, log_probability, len(text.split()), 0.1)


def test_what_people_say_in_a_domain_is_likelier_than_what_sounds_like_it(home: Expectation) -> None:
    assert home.fit(words("set the kitchen lights to red")) > home.fit(words("set the kitchen lights from red")) + 5
    assert (
        home.fit(words("turn on the lights in the office")) > home.fit(words("turn on the weights in the office")) + 5
    )


def test_names_of_this_home_fit_where_names_stand(contexts: Contexts, expecting: Expecting, home: Expectation) -> None:
    contexts.tell(TALK, dialogue_pb2.Context(conversation_id=TALK, entity_names=["disco ball"], revision=1))
    said = words("turn on the disco ball")

    assert expecting.of_conversation(TALK, "en").fit(said) > home.fit(said) + 5  # type: ignore[union-attr]
    assert "disco ball" in expecting.of_conversation(TALK, "en").prompt().names  # type: ignore[union-attr]


def test_the_context_of_another_conversation_is_never_used(contexts: Contexts, expecting: Expecting) -> None:
    contexts.tell("theirs", dialogue_pb2.Context(conversation_id="theirs", entity_names=["secret lair"], revision=1))
    contexts.tell("forged", dialogue_pb2.Context(conversation_id="ours", entity_names=["secret lair"], revision=9))

    ours = expecting.of_conversation("ours", "en")

    assert ours is not None
    assert ours.revision == 0
    assert "secret lair" not in ours.prompt().names


def test_an_older_context_changes_nothing_and_a_tombstone_ends_it(contexts: Contexts) -> None:
    for revision in (2, 1):
        contexts.tell("aged", dialogue_pb2.Context(conversation_id="aged", requested_slot="area", revision=revision))
    known = contexts.of("aged")
    contexts.forget("aged")

    assert known is not None and known.revision == 2
    assert contexts.of("aged") is None


def test_huge_contexts_and_many_conversations_stay_bounded() -> None:
    contexts = Contexts(10)
    names = [f"lamp {number}" for number in range(5000)] + ["x" * 10_000]
    for number in range(50):
        huge = dialogue_pb2.Context(
            conversation_id=f"c{number}", entity_names=names, last_reply="word " * 9000, revision=1
        )
        contexts.tell(f"c{number}", huge)
    kept = contexts.of("c49")

    assert contexts.of("c0") is None
    assert kept is not None and kept.ByteSize() < 10_000


def test_a_prompt_never_outgrows_its_room_and_keeps_the_most_relevant() -> None:
    prompt = Prompt(tuple(f"name{n}" for n in range(200)), tuple(f"Sentence {n}." for n in range(200)))
    texts: list[str] = []

    def encode(text: str) -> list[int]:
        texts.append(text)
        return [0] * len(text.split())

    assert len(prompt_tokens(prompt, encode, room=60)) <= 60
    assert " Sentence 0." in texts


def test_a_slot_that_was_asked_for_is_expected(contexts: Contexts, expecting: Expecting) -> None:
    contexts.tell(
        "asked",
        dialogue_pb2.Context(conversation_id="asked", requested_slot="order_id", revision=3, last_reply="Which?"),
    )
    expected = expecting.of_conversation("asked", "en")

    assert expected is not None and expected.asked is not None and expected.asked.kind == "code"
    assert expected.fit(words("five")) > expected.fit(words("bye"))


def test_who_was_asked_for_a_number_may_still_ask_for_something_else(expecting: Expecting) -> None:
    asked = expecting.of_packs(["smart_home", "conversation"], expect="number")

    assert asked.fit(words("cancel the timer")) > asked.fit(words("panther the tiger")) + 10
    assert asked.fit(words("seven")) > asked.fit(words("cancel the timer"))


def test_what_a_pack_asks_to_listen_for_is_shown_and_likelier(home: Expectation) -> None:
    asked = Listening(("zeppelin mode",), ("make it cosy for the movies",))
    packs = [replace(each, listen={"en": asked}) if each.name == "smart_home" else each for each in bundled_packs()]
    listening = Expecting(packs).of_packs(["smart_home", "conversation"])

    assert listening.prompt().names[0] == "zeppelin mode"
    assert listening.prompt().sentences[0] == "Make it cosy for the movies."
    for text in ("zeppelin mode", "make it cosy for the movies"):
        assert listening.fit(words(text)) > home.fit(words(text)) + 5
    assert {"zeppelin", "cosy"} <= listening.vocabulary() - home.vocabulary()
    assert listening.fit(words("turn on the light")) > home.fit(words("turn on the light")) - 1, "the rest stays"


def test_an_answer_is_expected_even_where_no_pack_is(expecting: Expecting) -> None:
    asked = expecting.of_packs([], expect="number")

    assert asked.fit(words("seven")) > asked.fit(words("heaven"))


def test_the_text_that_fits_wins_and_the_plain_one_stays_on_record(home: Expectation) -> None:
    speech = EncodedSpeechDouble(
        {"Set kitchen lights from red.": -1.0, "Set kitchen lights to red.": -5.0}, ["Set kitchen lights to red."]
    )

    weighing = weigh(heard("Set kitchen lights from red."), speech, home, Weights())

    assert weighing.chosen == BIASED
    assert weighing.plain == "Set kitchen lights from red."
    assert [each.text for each in weighing.weighed] == ["Set kitchen lights to red.", "Set kitchen lights from red."]


@pytest.mark.parametrize(
    ("plain", "lured", "acoustic"),
    [
        ("He was a young man once.", "Turn on the light.", -30.0),  # the sound contradicts it
        ("Watch the wedding.", "Watch the zeppelin.", -2.0),  # the domain does not know it either
        ("Turn the bedroom lamps orange tonight.", "Turn off.", -3.0),  # it leaves half out
    ],
)
def test_what_the_guard_forbids_never_wins(home: Expectation, plain: str, lured: str, acoustic: float) -> None:
    weighing = weigh(heard(plain), EncodedSpeechDouble({plain: -2.0, lured: acoustic}, [lured]), home, Weights())

    assert weighing.chosen == PLAIN


def test_what_is_plainly_understood_or_about_something_else_is_not_heard_twice(home: Expectation) -> None:
    for text in ("Turn on the kitchen light.", "And so my fellow Americans ask not what your country can do for you"):
        speech = EncodedSpeechDouble({})

        assert weigh(heard(text, -0.2), speech, home, Weights()).chosen == PLAIN
        assert not speech.prompts
