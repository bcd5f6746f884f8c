"""Requests that become tasks: asking for what is missing, confirming what is risky, doing the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from parley.v1 import dialogue_pb2, dispatch_pb2, generation_pb2
from services.dialogue.engine import decisions
from services.dialogue.engine.catalogue import Catalogue, Known
from services.dialogue.engine.frames import distinct
from services.dialogue.engine.heard import Heard
from services.dialogue.engine.policy import Policy
from services.dialogue.engine.reference import remembered
from services.dialogue.engine.state import ConversationState, Flow
from shared.events import derived_id

Step = tuple[ConversationState, dialogue_pb2.Decision]
_RISKS = {"low": dispatch_pb2.RISK_LOW, "medium": dispatch_pb2.RISK_MEDIUM, "high": dispatch_pb2.RISK_HIGH}


class Flows:
    """Takes a request as far as it can go."""

    def __init__(self, catalogue: Catalogue, policy: Policy) -> None:
        self._catalogue = catalogue
        self._policy = policy

    def pursue(self, state: ConversationState, flow: Flow, heard: Heard, why: str) -> Step:
        """Ask, confirm or execute, whichever the frames allow. `why`: the rule that led here, for the reason."""
        known = self._catalogue[flow.intent]
        frames = distinct([known.complete(frame) for frame in flow.frames])
        flow = replace(flow, frames=frames, turn_id=heard.turn_id, asked="", asked_at=heard.at)
        state = remembered(state, known, frames)
        for frame in frames:
            if slot := known.missing(frame):
                flow = replace(flow, asked=slot)
                return replace(state, flow=flow), self.prompt(flow, f"{why}; slot {slot} is required and unknown")
        risk = known.action.risk
        if risk == "high" or (risk == "medium" and flow.confidence < self._policy.confirm_below):
            reason = f"{why}; risk {risk} at confidence {flow.confidence:.2f} is confirmed first"
            return replace(state, flow=replace(flow, failed_asks=0)), self.prompt(flow, reason)
        return self.execute(state, flow, confirmed=False, why=why)

    def pursue_all(self, state: ConversationState, flows: Sequence[Flow], heard: Heard, why: str) -> Step:
        """Several requests of one sentence: what can be done is done, and one question is asked at a time."""
        decision: dialogue_pb2.Decision | None = None
        waiting: list[Flow] = []
        for flow in flows:
            after, next_decision = self.pursue(replace(state, flow=None), flow, heard, why)
            if after.flow is not None and state.flow is not None:
                waiting.append(flow)
                continue
            state = replace(after, flow=after.flow or state.flow)
            decision = decisions.joined(decision, next_decision)
        if state.flow is not None and waiting:
            state = replace(state, flow=replace(state.flow, then=tuple(waiting)))
        assert decision is not None, "at least one flow"
        return state, decision

    def execute(self, state: ConversationState, flow: Flow, *, confirmed: bool, why: str) -> Step:
        """Have the flow's tasks done."""
        known = self._catalogue[flow.intent]
        tasks = [
            dispatch_pb2.Task(
                task_id=_task_id(flow, known, index),
                action=known.action.name,
                arguments=decisions.arguments(frame),
                risk=_RISKS[known.action.risk],
                confirmed=confirmed,
            )
            for index, frame in enumerate(flow.frames)
        ]
        state = replace(state, flow=None, last_intent=flow.intent, last_frames=flow.frames)
        return state, decisions.executed(tasks, flow=flow.intent, reason=f"{why}; {len(tasks)} task(s) to be done")

    def retry(self, state: ConversationState, flow: Flow, heard: Heard) -> Step:
        """The answer fits nothing: ask again, or give up."""
        failed = flow.failed_asks + 1
        if failed >= self._policy.failed_asks:
            gave_up = decisions.spoken(
                decisions.act(
                    generation_pb2.DIALOGUE_ACT_TYPE_CANCELLED, intent=flow.intent, values={"reason": "no_answer"}
                ),
                decisions.act(generation_pb2.DIALOGUE_ACT_TYPE_HELP),
                reason=f"given up: {failed} answers fitted nothing",
            )
            return replace(state, flow=None), gave_up
        flow = replace(flow, failed_asks=failed, asked_at=heard.at)
        return replace(state, flow=flow), self.prompt(flow, f"the answer fits nothing: asked again ({failed} failed)")

    def cancelled(self, state: ConversationState, flow: Flow, reason: str, why: str) -> Step:
        """Drop the flow."""
        cancelled = decisions.act(
            generation_pb2.DIALOGUE_ACT_TYPE_CANCELLED, intent=flow.intent, values={"reason": reason}
        )
        return replace(state, flow=None), decisions.spoken(cancelled, reason=why)

    def prompt(self, flow: Flow, reason: str) -> dialogue_pb2.Decision:
        """The flow's question."""
        step = f"ask:{flow.asked}" if flow.asked else "confirm"
        return decisions.spoken(*self.questions(flow), reason=reason, flow=flow.intent, step=step)

    def questions(self, flow: Flow) -> list[generation_pb2.DialogueAct]:
        """The acts that put the flow's question."""
        known = self._catalogue[flow.intent]
        if not flow.asked:
            return [
                decisions.act(
                    generation_pb2.DIALOGUE_ACT_TYPE_CONFIRM,
                    intent=flow.intent,
                    values=decisions.arguments(frame),
                    task_id=_task_id(flow, known, index),
                )
                for index, frame in enumerate(flow.frames)
            ]
        lacking = next(frame for frame in flow.frames if not frame.get(flow.asked))
        return [
            decisions.act(
                generation_pb2.DIALOGUE_ACT_TYPE_REQUEST,
                intent=flow.intent,
                slot=flow.asked,
                values=decisions.arguments(lacking),
                choices=known.choices(flow.asked, lacking),
            )
        ]


def _task_id(flow: Flow, known: Known, index: int) -> str:
    """The same from the question to the deed, so that a yes heard twice does nothing twice."""
    place = f"{flow.part}.{index}" if flow.part else str(index)
    return derived_id(flow.turn_id, known.action.name, place)
