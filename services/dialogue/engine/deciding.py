"""The decision: state in, what to do next out. Pure; time comes with the call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from parley.v1 import dialogue_pb2, generation_pb2, knowledge_pb2
from services.dialogue.engine import decisions, phrases
from services.dialogue.engine.answering import Answering
from services.dialogue.engine.catalogue import Catalogue, Known
from services.dialogue.engine.context import context_of, revised
from services.dialogue.engine.flows import Flows, Step
from services.dialogue.engine.frames import frames_of, tagged_values
from services.dialogue.engine.heard import AFFIRM, CANCEL, DENY, HELP, REPEAT, Heard, hear, hear_parts, unheard
from services.dialogue.engine.outcomes import reported
from services.dialogue.engine.policy import Policy
from services.dialogue.engine.reference import follow_up, remembered, resolved
from services.dialogue.engine.state import ConversationState, Flow, Frame
from shared.packs import Pack

_SMALL_TALK = {
    "greet": generation_pb2.DIALOGUE_ACT_TYPE_GREET,
    "goodbye": generation_pb2.DIALOGUE_ACT_TYPE_GOODBYE,
    "thank": generation_pb2.DIALOGUE_ACT_TYPE_WELCOME,
    HELP: generation_pb2.DIALOGUE_ACT_TYPE_HELP,
    AFFIRM: generation_pb2.DIALOGUE_ACT_TYPE_NOTHING_TO_DO,
    DENY: generation_pb2.DIALOGUE_ACT_TYPE_NOTHING_TO_DO,
}


class Decided(NamedTuple):
    """What follows from one request."""

    state: ConversationState
    decision: dialogue_pb2.Decision
    context: dialogue_pb2.Context  # empty but for the conversation's id where the principal may not see it


class DialogueEngine:
    """Decides by the packs' rules. Holds nothing of any conversation."""

    def __init__(self, packs: Sequence[Pack], policy: Policy | None = None) -> None:
        self._catalogue = Catalogue(packs)
        self._policy = policy or Policy()
        self._flows = Flows(self._catalogue, self._policy)
        self._answering = Answering(self._catalogue, self._policy, self._flows)

    def decide(self, state: ConversationState, request: dialogue_pb2.DecideRequest, now: datetime) -> Decided:
        """Decide what one utterance, or the outcome of a turn's tasks, leads to. `now`: aware."""
        state = self._of_these_packs(state)
        admitted = state.admits(request.principal)
        if request.task_results or request.previous.tasks:
            after, decision = state, reported(request, self._catalogue)
        elif not admitted:
            after, decision = state, _refused()
        else:
            after, decision = self._utterance(self._arrived(state, request, now), request, now)
        if request.HasField("previous"):
            decision.revision = request.previous.revision + 1
        after = revised(state, after, self._catalogue) if after is not state else state
        hidden = dialogue_pb2.Context(conversation_id=state.conversation_id)
        return Decided(after, decision, self.context(after) if admitted else hidden)

    def _of_these_packs(self, state: ConversationState) -> ConversationState:
        """The conversation without what waits for, or refers to, a request that no pack serves any more."""
        waiting = () if state.flow is None else (state.flow, *state.flow.then)
        if not all(each.intent in self._catalogue and self._catalogue[each.intent].holds(each) for each in waiting):
            state = replace(state, flow=None)
        return state if not state.last_intent or state.last_intent in self._catalogue else state.forgotten()

    def replied(self, state: ConversationState, text: str) -> ConversationState:
        """The conversation after its user was told `text`."""
        return revised(state, replace(state, last_reply=text), self._catalogue)

    def dropped(self) -> dialogue_pb2.Decision:
        """What becomes of an utterance that still waited when the user said stop."""
        act = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_CANCELLED, values={"reason": "asked"})
        return decisions.spoken(act, reason="the user said stop while this turn waited for the one before it")

    def overloaded(self) -> dialogue_pb2.Decision:
        """What becomes of an utterance for which there is no room to wait."""
        act = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_APOLOGIZE, values={"error_class": "too_many_waiting"})
        return decisions.spoken(act, reason="too many utterances of the conversation wait already")

    def context(self, state: ConversationState) -> dialogue_pb2.Context:
        """What the next utterance may be about."""
        return context_of(state, self._catalogue)

    def stops(self, request: dialogue_pb2.DecideRequest, now: datetime) -> bool:
        """True where an utterance asks to stop whatever is going on."""
        return not unheard(request) and hear(request, self._catalogue, now).intent == CANCEL

    def _arrived(
        self, state: ConversationState, request: dialogue_pb2.DecideRequest, now: datetime
    ) -> ConversationState:
        """The conversation as it is when an utterance arrives: what is too old is forgotten."""
        state = state.owned_by(request.principal)
        if state.flow and now - state.flow.asked_at > self._policy.question_expires:
            state = replace(state, flow=None)
        if state.heard_at and now - state.heard_at > self._policy.memory_expires:
            state = state.forgotten()
        # A one-word answer says little about its language, so the conversation's stays while a question is open.
        spoken = request.understanding.language
        locale = request.locale or (state.locale if state.flow and state.locale else spoken) or state.locale
        return replace(state, heard_at=now, locale=locale)

    def _utterance(self, state: ConversationState, request: dialogue_pb2.DecideRequest, now: datetime) -> Step:
        if outcome := unheard(request):
            return state, self._not_heard(state, outcome)
        heard = hear(request, self._catalogue, now)
        if state.flow is not None:
            step = self._answering.proceed(state, state.flow, heard)
            if step is not None:
                return step if heard.intent == CANCEL else self._settled(step, state.flow, heard)
            state = replace(state, flow=None)
        parts = [part for part in hear_parts(request, heard) if self._acts(part.intent)]
        if len(parts) > 1:
            return self._several(state, parts, heard)
        frames = follow_up(self._catalogue, heard, state)
        if frames:
            flow = _flow(state.last_intent, frames, heard, confidence=0.0)  # inferred: a medium risk is confirmed
            return self._flows.pursue(state, flow, heard, "follow-up of the last request")
        if not heard.intent:
            return state, self._out_of_scope(heard)
        known = self._catalogue[heard.intent]
        if known.intent.action:
            return self._request(state, known, heard)
        return state, self._conversation(state, known, heard)

    def _several(self, state: ConversationState, parts: Sequence[Heard], heard: Heard) -> Step:
        """Several requests in one sentence; "it" in one means what the one before it named."""
        flows = []
        so_far = state
        for number, part in enumerate(parts):
            known = self._catalogue[part.intent]
            frames = resolved(known, frames_of(known, tagged_values(self._catalogue, known, part)), part.text, so_far)
            so_far = remembered(so_far, known, frames)
            flow = _flow(part.intent, frames, part, confidence=part.confidence)
            flows.append(replace(flow, part=number))
        return self._flows.pursue_all(state, flows, heard, f"{len(flows)} requests in one sentence")

    def _settled(self, step: Step, before: Flow, heard: Heard) -> Step:
        """Once a request is settled, the next of the same sentence that needs a question."""
        state, decision = step
        if state.flow is not None or not before.then:
            return step
        state, following = self._flows.pursue_all(state, before.then, heard, "the next request of the same sentence")
        return state, decisions.joined(decision, following)

    def _request(self, state: ConversationState, known: Known, heard: Heard) -> Step:
        frames = frames_of(known, tagged_values(self._catalogue, known, heard))
        frames = resolved(known, frames, heard.text, state)
        flow = _flow(known.intent.name, frames, heard, confidence=heard.confidence)
        return self._flows.pursue(state, flow, heard, f"intent {known.intent.name}")

    def _acts(self, intent: str) -> bool:
        return intent in self._catalogue and bool(self._catalogue[intent].intent.action)

    def _conversation(self, state: ConversationState, known: Known, heard: Heard) -> dialogue_pb2.Decision:
        """Intents without an action: questions, and what keeps a conversation going."""
        intent = known.intent.name
        reason = f"intent {intent}"
        if known.intent.knowledge:
            query = knowledge_pb2.KnowledgeQuery(text=heard.text, language=heard.language, domains=[known.pack.name])
            return decisions.looked_up(query, intent=intent, reason=reason)
        if intent == CANCEL and state.open_turn_id not in ("", heard.turn_id):
            values = {"reason": "asked", "in_progress": "true"}
            act = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_CANCELLED, values=values)
            return decisions.spoken(act, reason="cancelled while a turn was open; its outcome is still told")
        if intent == REPEAT and state.last_reply:
            act = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_REPEAT, values={"text": state.last_reply})
            return decisions.spoken(act, reason=reason)
        if intent in (CANCEL, REPEAT):
            nothing = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_NOTHING_TO_DO, intent=intent)
            return decisions.spoken(nothing, reason=f"{reason}, and there is nothing it could be about")
        kind = _SMALL_TALK.get(intent, generation_pb2.DIALOGUE_ACT_TYPE_OUT_OF_SCOPE)
        return decisions.spoken(decisions.act(kind, intent=intent), reason=reason)

    def _out_of_scope(self, heard: Heard) -> dialogue_pb2.Decision:
        if phrases.asks(heard.text):
            query = knowledge_pb2.KnowledgeQuery(text=heard.text, language=heard.language)
            return decisions.looked_up(query, intent="", reason="out of scope, but a question: the documents may know")
        act = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_OUT_OF_SCOPE)
        return decisions.spoken(act, reason="out of scope, and no question")

    def _not_heard(self, state: ConversationState, outcome: str) -> dialogue_pb2.Decision:
        acts = [decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_NOT_HEARD, values={"outcome": outcome})]
        reason = f"nothing was heard: {outcome}"
        if state.flow is None:
            return decisions.spoken(*acts, reason=reason)
        step = f"ask:{state.flow.asked}" if state.flow.asked else "confirm"
        acts.extend(self._flows.questions(state.flow))
        return decisions.spoken(*acts, reason=f"{reason}; the question stays open", flow=state.flow.intent, step=step)


def _flow(intent: str, frames: tuple[Frame, ...], heard: Heard, *, confidence: float) -> Flow:
    return Flow(intent=intent, frames=frames, confidence=confidence, turn_id=heard.turn_id, asked_at=heard.at)


def _refused() -> dialogue_pb2.Decision:
    act = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_APOLOGIZE, values={"error_class": "permission_denied"})
    return decisions.spoken(act, reason="the conversation belongs to another user")
