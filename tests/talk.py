"""Talking with the dialogue engine in tests: utterances as nlu would understand them, and what is expected."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from parley.v1 import (
    asr_pb2,
    dialogue_pb2,
    dispatch_pb2,
    generation_pb2,
    nlu_pb2,
    principal_pb2,
    stage_pb2,
)
from services.dialogue.engine import ConversationState, DialogueEngine, Policy
from shared.packs import bundled_packs

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
PACKS = bundled_packs()


@dataclass(frozen=True)
class Said:
    """One utterance with a hand-made understanding. Slots: "kitchen", or "kitchen:厨房" where the words differ."""

    text: str
    intent: str = ""
    confidence: float = 0.95
    user: str = ""
    heard: str = "TYPED"
    after: timedelta = timedelta(seconds=5)  # since the utterance before
    slots: Mapping[str, str | Sequence[str]] = field(default_factory=dict)

    def understanding(self) -> nlu_pb2.Understanding:
        """What nlu makes of it; without an intent it is out of scope."""
        language = "zh" if any(ord(letter) > 0x3000 for letter in self.text) else "en"
        return nlu_pb2.Understanding(
            language=language,
            intent=self.intent or "turn_on",
            confidence=self.confidence,
            out_of_scope=not self.intent,
            slots=[
                self._slot(name, value)
                for name, values in self.slots.items()
                for value in ([values] if isinstance(values, str) else values)
            ],
        )

    def _slot(self, name: str, value: str) -> nlu_pb2.Slot:
        canonical, _, words = value.partition(":")
        words = words or canonical.replace("_", " ")
        start = self.text.lower().index(words.lower())
        return nlu_pb2.Slot(name=name, value=canonical, text=words, start=start, end=start + len(words), confidence=0.9)


def said(text: str, intent: str = "", /, confidence: float = 0.95, **slots: str | Sequence[str]) -> Said:
    """An utterance, in short."""
    return Said(text, intent, confidence, slots=slots)


class Talk:
    """One conversation with the engine; remembers the state, nothing else."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.engine = DialogueEngine(PACKS, policy)
        self.state = ConversationState("c1")
        self.now = NOON
        self.context = dialogue_pb2.Context()

    def hear(self, utterance: Said) -> dialogue_pb2.Decision:
        """Decide one utterance."""
        self.now += utterance.after
        return self.decide(request_of(utterance))

    def decide(self, request: dialogue_pb2.DecideRequest) -> dialogue_pb2.Decision:
        """Decide one request."""
        self.state, decision, self.context = self.engine.decide(self.state, request, self.now)
        return decision

    def reply(self, text: str) -> None:
        """The user is told `text`."""
        self.state = self.engine.replied(self.state, text)


def request_of(utterance: Said, *, turn_id: str = "", conversation_id: str = "c1") -> dialogue_pb2.DecideRequest:
    """The request dialogue gets for an utterance."""
    outcome = asr_pb2.TranscriptOutcome.Value(f"TRANSCRIPT_OUTCOME_{utterance.heard}")
    return dialogue_pb2.DecideRequest(
        conversation_id=conversation_id,
        turn_id=turn_id or str(uuid.uuid4()),
        principal=principal_pb2.Principal(user_id=utterance.user),
        transcript=asr_pb2.Transcript(text=utterance.text, outcome=outcome, confidence=1),
        understanding=utterance.understanding() if utterance.text else None,
    )


def with_results(
    request: dialogue_pb2.DecideRequest, decision: dialogue_pb2.Decision, *results: dispatch_pb2.TaskResult
) -> dialogue_pb2.DecideRequest:
    """The request dialogue gets when the tasks of `decision` have ended."""
    later = dialogue_pb2.DecideRequest()
    later.CopyFrom(request)
    later.previous.CopyFrom(decision)
    later.task_results.extend(results)
    return later


def acts_of(decision: dialogue_pb2.Decision) -> list[str]:
    """The kinds of a decision's acts."""
    return [generation_pb2.DialogueActType.Name(act.type).removeprefix("DIALOGUE_ACT_TYPE_") for act in decision.acts]


def route_of(decision: dialogue_pb2.Decision) -> list[str]:
    """The stages a decision sends its turn to."""
    return [stage_pb2.Stage.Name(stage).removeprefix("STAGE_") for stage in decision.route]


@dataclass(frozen=True)
class Asks:
    """Expected: a question for a slot."""

    slot: str

    def check(self, decision: dialogue_pb2.Decision) -> None:
        assert acts_of(decision)[-1] == "REQUEST", decision
        assert decision.acts[-1].slot == self.slot
        assert decision.step == f"ask:{self.slot}"
        assert route_of(decision) == ["GENERATION"]
        assert not decision.tasks


@dataclass(frozen=True)
class Confirms:
    """Expected: "shall I?", for each of these sets of values."""

    values: tuple[Mapping[str, str], ...]

    def check(self, decision: dialogue_pb2.Decision) -> None:
        assert acts_of(decision) == ["CONFIRM"] * len(self.values), decision
        assert [dict(act.values) for act in decision.acts] == list(self.values)
        assert decision.step == "confirm"
        assert route_of(decision) == ["GENERATION"]
        assert not decision.tasks


@dataclass(frozen=True)
class Does:
    """Expected: tasks of one action, each with these arguments."""

    action: str
    arguments: tuple[Mapping[str, str], ...]
    confirmed: bool = False

    def check(self, decision: dialogue_pb2.Decision) -> None:
        assert [dict(task.arguments) for task in decision.tasks] == list(self.arguments), decision
        assert {task.action for task in decision.tasks} == {self.action}
        assert {task.confirmed for task in decision.tasks} == {self.confirmed}
        assert route_of(decision) == ["DISPATCH", "DIALOGUE", "GENERATION"]


@dataclass(frozen=True)
class Says:
    """Expected: these acts, and nothing else."""

    acts: tuple[str, ...]

    def check(self, decision: dialogue_pb2.Decision) -> None:
        assert acts_of(decision) == list(self.acts), decision
        assert route_of(decision) == ["GENERATION"]
        assert not decision.tasks


@dataclass(frozen=True)
class LooksUp:
    """Expected: the documents are asked."""

    text: str
    domains: tuple[str, ...]

    def check(self, decision: dialogue_pb2.Decision) -> None:
        assert acts_of(decision) == ["ANSWER"], decision
        assert (decision.query.text, tuple(decision.query.domains)) == (self.text, self.domains)
        assert route_of(decision) == ["KNOWLEDGE", "GENERATION"]


Expected = Asks | Confirms | Does | Says | LooksUp


def does(action: str, **arguments: str) -> Does:
    """One task."""
    return Does(action, (arguments,))


def does_confirmed(action: str, **arguments: str) -> Does:
    """One task the user has said yes to."""
    return Does(action, (arguments,), confirmed=True)


def confirms(**values: str) -> Confirms:
    """One confirmation."""
    return Confirms((values,))


def says(*acts: str) -> Says:
    """These acts."""
    return Says(acts)


def later(utterance: Said, **after: float) -> Said:
    """The same, said after a pause."""
    return replace(utterance, after=timedelta(**after))
