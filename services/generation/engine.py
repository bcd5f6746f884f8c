"""Generation: the reply of a turn, worded by the chosen backend."""

from __future__ import annotations

from collections.abc import Callable

from parley.v1 import generation_pb2, models_pb2, turn_pb2
from services.generation.backend import Backend
from shared.errors import Unavailable

_APOLOGY = generation_pb2.DialogueAct(type=generation_pb2.DIALOGUE_ACT_TYPE_APOLOGIZE)


class Generator:
    """Words replies with one backend, which `load` makes ready."""

    def __init__(self, make_backend: Callable[[], Backend]) -> None:
        self._make_backend = make_backend
        self._backend: Backend | None = None

    def load(self) -> None:
        """Make the backend; raises what it raises (InvalidPack, InvalidArtifact)."""
        self._backend = self._make_backend()

    @property
    def backend(self) -> Backend:
        """The loaded backend; raises Unavailable before `load`."""
        if self._backend is None:
            raise Unavailable("generation is still loading; try again in a moment")
        return self._backend

    @property
    def model(self) -> models_pb2.ModelVersion:
        """What words the replies."""
        return models_pb2.ModelVersion(name="generation", version=self.backend.version)

    def generate(self, request: generation_pb2.GenerateRequest) -> generation_pb2.Reply:
        """One reply, final unless the request says otherwise."""
        reply = self.backend.generate(request)
        reply.kind = request.reply_kind or generation_pb2.REPLY_KIND_FINAL
        return reply


def request_of(turn: turn_pb2.Turn) -> generation_pb2.GenerateRequest:
    """What a reply to `turn` may rest on. A decision without acts is a fault of ours, and said to be one."""
    decision = turn.decision
    return generation_pb2.GenerateRequest(
        acts=decision.acts or [_APOLOGY],
        evidence=turn.evidence if turn.HasField("evidence") else None,
        task_results=turn.task_results,
        locale=turn.utterance.locale or turn.understanding.language,
        reply_kind=decision.reply_kind,
    )
