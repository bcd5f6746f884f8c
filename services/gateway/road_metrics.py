"""What the turns themselves tell, measured where every event of the road passes: the gateway's ledger.

Labels are bounded: stages, outcomes, acts are enumerations of the contracts. Models, actions, languages are few, but
anybody may write to Kafka, so beyond a limit they count as "other". An event that comes twice counts twice.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from parley.v1 import asr_pb2, dispatch_pb2, generation_pb2, stage_pb2, turn_pb2
from shared.topology import DECISIONS, EVIDENCE, REPLIES, TASK_RESULTS, TRANSCRIPTS, UNDERSTANDINGS

STAGE_SECONDS = Histogram(
    "parley_stage_seconds",
    "Time a stage took for one turn, by the model that answered",
    ("stage", "model"),
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
TRANSCRIPTIONS = Counter("parley_transcripts", "Utterances heard or read, by what became of them", ("outcome",))
CONFIDENCE = Histogram(
    "parley_understanding_confidence",
    "How sure nlu was of an intent",
    ("language", "decided_by"),
    buckets=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
)
UNDERSTOOD = Counter("parley_understandings", "Utterances understood, by whether a pack can serve them", ("scope",))
ACTS = Counter("parley_dialogue_acts", "What dialogue decided to say", ("act",))
SOUGHT = Counter("parley_evidence", "Searches in the documents, by whether anything was found", ("found",))
TASKS = Counter("parley_task_results", "Tasks carried out, by how they ended", ("action", "outcome"))
REPLIED = Counter("parley_replies", "Replies given, by kind", ("kind",))
OTHER = "other"


class Bounded:
    """Label values as they come, up to a number of different ones; from then on new ones are "other"."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[str] = set()

    def __call__(self, value: str) -> str:
        if value not in self._seen:
            if len(self._seen) >= self._limit:
                return OTHER
            self._seen.add(value)
        return value


_model = Bounded(32)
_action = Bounded(64)
_language = Bounded(16)
_decided_by = Bounded(8)


def observe(topic: str, turn: turn_pb2.Turn) -> None:
    """Count what the last stage of a turn has added."""
    if turn.route.visits:
        visit = turn.route.visits[-1]
        model = "+".join(f"{each.name}@{each.version}" for each in visit.models)
        STAGE_SECONDS.labels(_name(stage_pb2.Stage, visit.stage), _model(model) or "none").observe(
            visit.stage_time.ToNanoseconds() / 1e9
        )
    if topic == TRANSCRIPTS:
        TRANSCRIPTIONS.labels(_name(asr_pb2.TranscriptOutcome, turn.transcript.outcome)).inc()
    elif topic == UNDERSTANDINGS:
        understanding = turn.understanding
        UNDERSTOOD.labels("out" if understanding.out_of_scope else "in").inc()
        CONFIDENCE.labels(_language(understanding.language), _decided_by(understanding.decided_by)).observe(
            understanding.confidence
        )
    elif topic == DECISIONS:
        for act in turn.decision.acts:
            ACTS.labels(_name(generation_pb2.DialogueActType, act.type)).inc()
    elif topic == EVIDENCE:
        SOUGHT.labels("yes" if turn.evidence.found else "no").inc()
    elif topic == TASK_RESULTS:
        asked = {task.task_id for task in turn.decision.tasks}
        for result in turn.task_results:
            if result.task_id in asked or result.outcome == dispatch_pb2.TASK_OUTCOME_FIRED:
                TASKS.labels(_action(result.action), _name(dispatch_pb2.TaskOutcome, result.outcome)).inc()
    elif topic == REPLIES:
        REPLIED.labels(_name(generation_pb2.ReplyKind, turn.reply.kind)).inc()


def _name(enumeration: object, number: int) -> str:
    """A value of an enumeration as people write it: TASK_OUTCOME_FAILED is "failed"; one unknown here is "other"."""
    descriptor = enumeration.DESCRIPTOR  # type: ignore[attr-defined] # every generated enumeration has one
    value = descriptor.values_by_number.get(number)
    if value is None:
        return OTHER
    zero: str = descriptor.values_by_number[0].name
    name: str = value.name
    return name.removeprefix(zero.removesuffix("UNSPECIFIED")).lower()
