"""What a conversation remembers between utterances."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from parley.v1 import principal_pb2

# The values of one task, by slot: one row of the belief state.
Frame = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Owner:
    """The user a conversation belongs to."""

    user_id: str
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class Thing:
    """A device, cover or door, with the area it was named in (empty where none was)."""

    value: str
    area: str = ""


@dataclass(frozen=True, slots=True)
class Mention:
    """What "it" and "them" mean: the things the last request was about, and the slot they filled."""

    slot: str
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True)
class Flow:
    """A request that waits for an answer of the user: for a slot, or for yes or no."""

    intent: str
    frames: tuple[Frame, ...]  # one task each
    confidence: float  # of the understanding that began it
    turn_id: str  # the turn that settled the frames; the tasks' ids derive from it
    asked_at: datetime
    asked: str = ""  # the slot asked for; empty while a yes or no is awaited
    failed_asks: int = 0
    part: int = 0  # which of several requests in one sentence
    then: tuple[Flow, ...] = ()  # requests of the same sentence that need a question too, once this one is settled


@dataclass(frozen=True, slots=True)
class ConversationState:
    """Everything dialogue knows of one conversation. Immutable: deciding yields a new one."""

    conversation_id: str
    owner: Owner | None = None
    locale: str = ""
    flow: Flow | None = None
    # Carried over to the next utterance.
    mention: Mention | None = None
    area: str = ""  # what "there" means
    last_intent: str = ""
    last_frames: tuple[Frame, ...] = ()
    last_reply: str = ""
    heard_at: datetime | None = None  # when the last utterance was decided
    # The turn that has the floor.
    open_turn_id: str = ""
    opened_at: datetime | None = None
    revision: int = 0  # of the context

    def admits(self, principal: principal_pb2.Principal) -> bool:
        """True where `principal` may take part: the owner, or anyone while nobody owns the conversation."""
        return self.owner is None or self.owner == Owner(principal.user_id, principal.tenant)

    def owned_by(self, principal: principal_pb2.Principal) -> ConversationState:
        """The conversation belongs to its first user who is known."""
        if self.owner is not None or not principal.user_id:
            return self
        return replace(self, owner=Owner(principal.user_id, principal.tenant))

    def opened(self, turn_id: str, at: datetime) -> ConversationState:
        """The turn takes the floor."""
        return replace(self, open_turn_id=turn_id, opened_at=at)

    def closed(self) -> ConversationState:
        """Nobody has the floor."""
        return replace(self, open_turn_id="", opened_at=None)

    def forgotten(self) -> ConversationState:
        """Without what is carried over between utterances."""
        return replace(self, mention=None, area="", last_intent="", last_frames=())
