"""The audit: from what was asked, what the ledger says, what the topics carried and what the systems did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.load import Asked

SUCCEEDED, FAILED, UNKNOWN = "TASK_OUTCOME_SUCCEEDED", "TASK_OUTCOME_FAILED", "TASK_OUTCOME_UNKNOWN"
_ADMITS = ("can't tell whether", "无法确定")
_APOLOGIES = "gateway"  # the backend that words them


@dataclass(frozen=True, slots=True)
class Result:
    """How a task ended, as its turn was told."""

    task_id: str
    action: str
    outcome: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The final reply that counts."""

    text: str
    backend: str
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of one load."""

    asked: Sequence[Asked]
    not_taken: frozenset[str]  # turn ids that nobody could be made to take
    answers: Mapping[str, Answer]  # the ledger's, by turn id
    finals: Mapping[str, frozenset[str]]  # event ids of final replies seen on the topic, by turn id
    effects: Mapping[str, Counter[str]]  # by system: how often each task had its effect
    effects_in: Mapping[str, Counter[str]]  # by system: how many effects each conversation had
    dead_letters: int = 0


@dataclass
class Verdict:
    """What the audit found."""

    violations: list[str] = field(default_factory=list)
    figures: dict[str, int] = field(default_factory=dict)


def audit(evidence: Evidence) -> Verdict:
    """Every rule over the whole load; a violation names the turn."""
    verdict = Verdict()
    _answered_once(evidence, verdict)
    _done_once(evidence, verdict)
    for turn in evidence.asked:
        answer = evidence.answers.get(turn.turn_id)
        if answer is not None:
            _told_truly(turn, answer, evidence, verdict)
    apologies = sum(answer.backend == _APOLOGIES for answer in evidence.answers.values())
    if evidence.dead_letters > apologies:  # an apology leaves one; nothing else that was sent deserves any
        verdict.violations.append(f"given up: {evidence.dead_letters} dead letters, {apologies} apologies")
    _count(evidence, verdict)
    return verdict


def _answered_once(evidence: Evidence, verdict: Verdict) -> None:
    for turn in evidence.asked:
        if turn.turn_id in evidence.not_taken:
            verdict.violations.append(f"never taken: {turn.kind.name} {turn.turn_id}")
        elif turn.turn_id not in evidence.answers:
            verdict.violations.append(f"lost: {turn.kind.name} {turn.turn_id} has no final reply")
    for turn_id, events in evidence.finals.items():
        if len(events) > 1:
            verdict.violations.append(f"answered {len(events)} times: {turn_id} on parley.replies")


def _done_once(evidence: Evidence, verdict: Verdict) -> None:
    for system, tasks in evidence.effects.items():
        for task_id, times in tasks.items():
            if times > 1:
                verdict.violations.append(f"done {times} times: {system} task {task_id}")
    wanted = Counter((turn.kind.system, turn.conversation_id) for turn in evidence.asked if turn.kind.system)
    for system, conversations in evidence.effects_in.items():
        for conversation, times in conversations.items():
            if times > wanted[system, conversation]:
                asked = wanted[system, conversation]
                verdict.violations.append(f"done {times} times, asked {asked} times: {system} in {conversation}")


def _told_truly(turn: Asked, answer: Answer, evidence: Evidence, verdict: Verdict) -> None:
    """What the reply says of a task is what became of it."""
    for result in answer.results:
        if result.action != turn.kind.action or turn.kind.system not in evidence.effects:
            continue
        times = evidence.effects[turn.kind.system][result.task_id]
        what = f"{turn.kind.system} task {result.task_id} of {turn.turn_id}"
        if result.outcome == SUCCEEDED and times == 0:
            verdict.violations.append(f"said to be done, and was not: {what}")
        if result.outcome == FAILED and times > 0:
            verdict.violations.append(f"said to have failed, and was done: {what}")
        if result.outcome == UNKNOWN and not any(words in answer.text for words in _ADMITS):
            verdict.violations.append(f"unknown, and not said so: {what}: {answer.text!r}")


def _count(evidence: Evidence, verdict: Verdict) -> None:
    answers = evidence.answers
    outcomes = Counter(result.outcome for answer in answers.values() for result in answer.results)
    verdict.figures = {
        "turns": len(evidence.asked),
        "answered": len(answers),
        "apologies": sum(answer.backend == _APOLOGIES for answer in answers.values()),
        "not_understood": sum(_not_understood(turn, answers) for turn in evidence.asked),
        "effects": sum(tasks.total() for tasks in evidence.effects.values()),
        "outcomes_unknown": outcomes[UNKNOWN],
        "outcomes_failed": outcomes[FAILED],
        "final_replies_seen": sum(map(len, evidence.finals.values())),
        "dead_letters": evidence.dead_letters,
        "violations": len(verdict.violations),
    }


def _not_understood(turn: Asked, answers: Mapping[str, Answer]) -> bool:
    answer = answers.get(turn.turn_id)
    if answer is None or not turn.kind.action or answer.backend == _APOLOGIES:
        return False
    return all(result.action != turn.kind.action for result in answer.results)
