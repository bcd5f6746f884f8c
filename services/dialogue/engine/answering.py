"""What the user said while a question was open: an answer, a correction, a refusal, or something else altogether."""

from __future__ import annotations

from dataclasses import replace

from parley.v1 import generation_pb2
from services.dialogue.engine import decisions, phrases
from services.dialogue.engine.answers import Found, open_value
from services.dialogue.engine.catalogue import Catalogue, Known
from services.dialogue.engine.flows import Flows, Step
from services.dialogue.engine.frames import Values, answered, frames_of, is_bare, merged, spoken_values
from services.dialogue.engine.heard import AFFIRM, CANCEL, DENY, HELP, REPEAT, Heard
from services.dialogue.engine.policy import Policy
from services.dialogue.engine.reference import resolved
from services.dialogue.engine.state import ConversationState, Flow, Frame

_WHOLE_TEXT = ("text", "code")


class Answering:
    """Continues a pending flow with what was heard."""

    def __init__(self, catalogue: Catalogue, policy: Policy, flows: Flows) -> None:
        self._catalogue = catalogue
        self._policy = policy
        self._flows = flows

    def proceed(self, state: ConversationState, flow: Flow, heard: Heard) -> Step | None:
        """The next step of the flow, or None where something else was said: the flow is to be dropped."""
        if heard.intent == CANCEL:
            return self._flows.cancelled(state, flow, "asked", "the user cancelled the pending request")
        if heard.intent == REPEAT and self._is_sure(heard) and state.last_reply:
            again = decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_REPEAT, values={"text": state.last_reply})
            return self._side_step(state, flow, heard, [again], "asked to repeat; the question stays open")
        if heard.intent in (HELP, REPEAT) and self._is_sure(heard):
            acts = [decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_HELP)] if heard.intent == HELP else []
            acts.extend(self._flows.questions(flow))
            return self._side_step(state, flow, heard, acts, f"{heard.intent}; the question stays open")
        return self._answer(state, flow, heard) if flow.asked else self._yes_or_no(state, flow, heard)

    def _answer(self, state: ConversationState, flow: Flow, heard: Heard) -> Step | None:
        """An answer to the question for a slot."""
        known = self._catalogue[flow.intent]
        values = spoken_values(self._catalogue, known, heard)
        if heard.intent == DENY:
            return self._flows.cancelled(state, flow, "denied", "refused to name the slot")
        if heard.intent == AFFIRM:
            return self._flows.retry(state, flow, heard)
        changes = heard.intent not in ("", flow.intent) and heard.confidence >= self._policy.switch_from
        if changes and not is_bare(values, heard.text):
            return None
        frames = self._filled(known, flow, self._with_whole_text(known, flow, heard, values))
        if any(not frame.get(flow.asked) for frame in frames):
            frames = resolved(known, frames, heard.text, state)
        if frames == flow.frames:
            return self._flows.retry(state, flow, heard)
        return self._flows.pursue(state, replace(flow, frames=frames), heard, f"answer to ask:{flow.asked}")

    def _yes_or_no(self, state: ConversationState, flow: Flow, heard: Heard) -> Step | None:
        """An answer to a confirmation. Only a clear yes lets a risky task through."""
        known = self._catalogue[flow.intent]
        values = spoken_values(self._catalogue, known, heard)
        bare = is_bare(values, heard.text)
        new = {
            slot: fresh
            for slot, found in values.items()
            if (fresh := tuple(each for each in found if all(each.value != frame.get(slot) for frame in flow.frames)))
        }
        if new and (bare or heard.intent in (AFFIRM, DENY)):
            frames = merged(flow.frames, frames_of(known, new))
            return self._flows.pursue(state, replace(flow, frames=frames), heard, "corrected while confirming")
        same = not new and (bare or heard.intent in (flow.intent, AFFIRM))
        if self._is_clear_yes(heard) or (same and phrases.begins_with_yes(heard.text)):
            return self._flows.execute(state, flow, confirmed=True, why="the user said yes")
        if heard.intent == DENY:
            return self._flows.cancelled(state, flow, "denied", "the user said no")
        if heard.intent == AFFIRM or (not heard.intent and not phrases.asks(heard.text)):
            return self._flows.retry(state, flow, heard)
        return None

    def _with_whole_text(self, known: Known, flow: Flow, heard: Heard, values: Values) -> Values:
        """`values`, with the asked slot read from the words themselves where nlu tagged nothing for it."""
        entity = known.entity(flow.asked)
        if values.get(flow.asked) or (entity.kind in _WHOLE_TEXT and heard.intent == flow.intent):
            return values
        value = open_value(entity.kind, heard.text)
        found = Found(entity.name, value, 0, len(heard.text))
        return {**values, flow.asked: (found,)} if value else values

    def _filled(self, known: Known, flow: Flow, values: Values) -> tuple[Frame, ...]:
        if not values:
            return flow.frames
        if all(not frame.get(flow.asked) for frame in flow.frames):
            return merged(flow.frames, frames_of(known, values))
        others = {slot: found for slot, found in values.items() if slot != flow.asked}
        frames = merged(flow.frames, frames_of(known, others)) if others else flow.frames
        return answered(frames, flow.asked, [each.value for each in values.get(flow.asked, ())])

    def _side_step(
        self,
        state: ConversationState,
        flow: Flow,
        heard: Heard,
        acts: list[generation_pb2.DialogueAct],
        reason: str,
    ) -> Step:
        step = f"ask:{flow.asked}" if flow.asked else "confirm"
        state = replace(state, flow=replace(flow, asked_at=heard.at))
        return state, decisions.spoken(*acts, reason=reason, flow=flow.intent, step=step)

    def _is_sure(self, heard: Heard) -> bool:
        return heard.confidence >= self._policy.switch_from

    def _is_clear_yes(self, heard: Heard) -> bool:
        sure = heard.confidence >= self._policy.confirm_below
        return heard.intent == AFFIRM and sure and not phrases.negates(heard.text)
