"""The declared topology: every topic, its body, its partitions. Nothing is created by accident."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.message import Message

from parley.v1 import dialogue_pb2, insight_pb2, knowledge_pb2, labels_pb2, models_pb2, packs_pb2, turn_pb2

UTTERANCES = "parley.utterances"
TRANSCRIPTS = "parley.transcripts"
UNDERSTANDINGS = "parley.understandings"
DECISIONS = "parley.decisions"
EVIDENCE = "parley.evidence"
TASK_RESULTS = "parley.task-results"
REPLIES = "parley.replies"
CONTEXTS = "parley.contexts"
PACKS = "parley.packs"
LABELS = "parley.labels"
MODELS = "parley.models"
MODEL_STATUS = "parley.model-status"
SHADOW = "parley.shadow"
TRAINING = "parley.training"
DOCUMENTS = "parley.documents"
POSTS = "parley.posts"
ALERTS = "parley.alerts"
INSIGHTS = "parley.insights"
GIVEN_UP = "parley.given-up"
DEAD_LETTERS = "parley.dead-letters"


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic: what its events hold and how it is laid out."""

    name: str
    body: type[Message] | None  # None: whatever bytes came (dead letters)
    event_type: str  # ce_type
    road: bool = False  # keyed by conversation; all of these have equal partition counts
    entry: bool = False  # clients may write it, in protobuf or JSON
    compacted: bool = False


TOPICS: dict[str, Topic] = {
    topic.name: topic
    for topic in (
        Topic(UTTERANCES, turn_pb2.Utterance, "parley.utterance.v1", road=True, entry=True),
        Topic(TRANSCRIPTS, turn_pb2.Turn, "parley.turn.transcribed.v1", road=True),
        Topic(UNDERSTANDINGS, turn_pb2.Turn, "parley.turn.understood.v1", road=True),
        Topic(DECISIONS, turn_pb2.Turn, "parley.turn.decided.v1", road=True),
        Topic(EVIDENCE, turn_pb2.Turn, "parley.turn.evidenced.v1", road=True),
        Topic(TASK_RESULTS, turn_pb2.Turn, "parley.turn.tasked.v1", road=True),
        Topic(REPLIES, turn_pb2.Turn, "parley.turn.replied.v1", road=True),
        Topic(CONTEXTS, dialogue_pb2.Context, "parley.context.v1", road=True, compacted=True),
        Topic(PACKS, packs_pb2.PackState, "parley.pack.state.v1", compacted=True),
        Topic(LABELS, labels_pb2.Label, "parley.label.v1", entry=True),
        Topic(MODELS, models_pb2.ModelState, "parley.model.state.v1", compacted=True),
        Topic(MODEL_STATUS, models_pb2.ModelStatus, "parley.model.status.v1"),
        Topic(SHADOW, models_pb2.ShadowResult, "parley.shadow.v1"),
        Topic(TRAINING, models_pb2.TrainingEvent, "parley.training.v1"),
        Topic(DOCUMENTS, knowledge_pb2.Document, "parley.document.v1", entry=True),
        Topic(POSTS, insight_pb2.Post, "parley.post.v1", entry=True),
        Topic(ALERTS, insight_pb2.Alert, "parley.alert.v1"),
        Topic(INSIGHTS, insight_pb2.Insight, "parley.insight.v1"),
        Topic(GIVEN_UP, turn_pb2.GivenUp, "parley.turn.given-up.v1"),
        Topic(DEAD_LETTERS, None, "parley.dead-letter.v1"),
    )
}
ROAD = tuple(topic.name for topic in TOPICS.values() if topic.road)
