"""How tasks ended, and what came due: from results to what is said of them."""

from __future__ import annotations

from collections.abc import Mapping

from parley.v1 import dialogue_pb2, dispatch_pb2, generation_pb2
from services.dialogue.engine import decisions
from services.dialogue.engine.catalogue import Catalogue

_ACTS = {
    dispatch_pb2.TASK_OUTCOME_SUCCEEDED: generation_pb2.DIALOGUE_ACT_TYPE_TASK_DONE,
    dispatch_pb2.TASK_OUTCOME_FAILED: generation_pb2.DIALOGUE_ACT_TYPE_TASK_FAILED,
    dispatch_pb2.TASK_OUTCOME_DENIED: generation_pb2.DIALOGUE_ACT_TYPE_TASK_DENIED,
    dispatch_pb2.TASK_OUTCOME_FIRED: generation_pb2.DIALOGUE_ACT_TYPE_NOTIFY,
}


def reported(request: dialogue_pb2.DecideRequest, catalogue: Catalogue) -> dialogue_pb2.Decision:
    """Tell how the tasks of a turn ended; a task without a result is one whose outcome nobody knows.

    Where something came due, that alone is told, as a notification: the turn it belongs to has its final reply.
    """
    tasks = {task.task_id: task for task in request.previous.tasks}
    fired = [result for result in request.task_results if result.outcome == dispatch_pb2.TASK_OUTCOME_FIRED]
    if fired:
        return decisions.spoken(
            *(_act(result, tasks, request.previous.flow, catalogue) for result in fired),
            reason="a reminder or timer is due",
            step="notify",
            kind=generation_pb2.REPLY_KIND_NOTIFICATION,
        )
    results = {result.task_id: result for result in request.task_results}
    if tasks:
        unknown = dispatch_pb2.TASK_OUTCOME_UNKNOWN
        ended = [
            results.get(task_id, dispatch_pb2.TaskResult(task_id=task_id, action=task.action, outcome=unknown))
            for task_id, task in tasks.items()
        ]
    else:
        ended = list(results.values())
    outcomes = sorted({dispatch_pb2.TaskOutcome.Name(result.outcome) for result in ended})
    return decisions.spoken(
        *(_act(result, tasks, request.previous.flow, catalogue) for result in ended),
        *request.previous.acts,  # a question beside the tasks
        reason=f"{len(ended)} task(s) ended: {', '.join(outcomes)}",
        flow=request.previous.flow,
        step="report",
    )


def _act(
    result: dispatch_pb2.TaskResult, tasks: Mapping[str, dispatch_pb2.Task], flow: str, catalogue: Catalogue
) -> generation_pb2.DialogueAct:
    task = tasks.get(result.task_id, dispatch_pb2.Task(action=result.action))
    serves = flow in catalogue and catalogue[flow].intent.action == task.action
    values = {**task.arguments, **result.values}
    if result.error_class:
        values["error_class"] = result.error_class
    return decisions.act(
        _ACTS.get(result.outcome, generation_pb2.DIALOGUE_ACT_TYPE_TASK_UNKNOWN),
        intent=flow if serves else catalogue.intent_of(task.action),
        values=values,
        task_id=result.task_id,
    )
