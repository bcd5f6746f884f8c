"""Decisions and acts, built. What the acts' `values` hold, for whoever words them:

GREET, GOODBYE, WELCOME, HELP, OUT_OF_SCOPE, ANSWER: nothing; `intent` where there is one.
REQUEST: the values known so far; `slot` is what is asked, `choices` are canonical values to offer.
CONFIRM: the task's arguments; `task_id` is the task's, should it be done.
TASK_DONE, TASK_FAILED, TASK_DENIED, TASK_UNKNOWN, NOTIFY: the task's arguments, over them the connector's values, and
    `error_class` where there is one; `intent` and `task_id` are the task's.
NOT_HEARD: `outcome`, the transcript's ("silence", "noise", "not_audio", ...); "empty" for blank text.
CANCELLED: `reason`, one of "asked", "denied", "no_answer"; `in_progress`: "true" where a turn was under way, whose
    outcome is still told; `intent` of the flow, if any.
NOTHING_TO_DO: nothing; `intent` is affirm, deny, cancel or repeat.
REPEAT: `text`, the last final reply.
APOLOGIZE: `error_class`, "permission_denied" or "too_many_waiting".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parley.v1 import dialogue_pb2, dispatch_pb2, generation_pb2, knowledge_pb2, stage_pb2

SPEAK = (stage_pb2.STAGE_GENERATION,)
LOOK_UP = (stage_pb2.STAGE_KNOWLEDGE, stage_pb2.STAGE_GENERATION)
ACT = (stage_pb2.STAGE_DISPATCH, stage_pb2.STAGE_DIALOGUE, stage_pb2.STAGE_GENERATION)
_LONGEST_VALUE = 2000  # characters; the contract's limit for an argument


def act(
    kind: generation_pb2.DialogueActType.ValueType,
    *,
    intent: str = "",
    slot: str = "",
    values: Mapping[str, str] | None = None,
    task_id: str = "",
    choices: Sequence[str] = (),
) -> generation_pb2.DialogueAct:
    """One act."""
    return generation_pb2.DialogueAct(
        type=kind, intent=intent, slot=slot, values=values or {}, task_id=task_id, choices=choices
    )


def spoken(
    *acts: generation_pb2.DialogueAct,
    reason: str,
    flow: str = "",
    step: str = "",
    kind: generation_pb2.ReplyKind.ValueType = generation_pb2.REPLY_KIND_FINAL,
) -> dialogue_pb2.Decision:
    """Say something; nothing else is to be done."""
    return dialogue_pb2.Decision(acts=acts, route=SPEAK, reply_kind=kind, flow=flow, step=step, reason=reason)


def looked_up(query: knowledge_pb2.KnowledgeQuery, *, intent: str, reason: str) -> dialogue_pb2.Decision:
    """Answer from the documents."""
    return dialogue_pb2.Decision(
        acts=[act(generation_pb2.DIALOGUE_ACT_TYPE_ANSWER, intent=intent)],
        query=query,
        route=LOOK_UP,
        reply_kind=generation_pb2.REPLY_KIND_FINAL,
        flow=intent,
        reason=reason,
    )


def executed(tasks: Sequence[dispatch_pb2.Task], *, flow: str, reason: str) -> dialogue_pb2.Decision:
    """Have tasks done; dialogue hears how they ended before anything is said."""
    return dialogue_pb2.Decision(
        tasks=tasks,
        route=ACT,
        reply_kind=generation_pb2.REPLY_KIND_FINAL,
        flow=flow,
        step="execute",
        reason=reason,
    )


def joined(first: dialogue_pb2.Decision | None, second: dialogue_pb2.Decision) -> dialogue_pb2.Decision:
    """Both: what is said, and what is done, in their order. A question beside tasks is put when these have ended."""
    if first is None:
        return second
    both = dialogue_pb2.Decision()
    both.CopyFrom(first)
    both.MergeFrom(second)  # lists grow; flow and step are those of the second
    both.reason = f"{first.reason}; {second.reason}"
    del both.route[:]
    both.route.extend(ACT if both.tasks else SPEAK)
    return both


def arguments(frame: Mapping[str, str]) -> dict[str, str]:
    """A frame as the arguments of a task: without empty values, within the contract's limit."""
    return {slot: value[:_LONGEST_VALUE] for slot, value in frame.items() if value}
