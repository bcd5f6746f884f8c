"""The dialogue engine: conversation state and a request in, the new state and a decision out."""

from services.dialogue.engine.deciding import Decided, DialogueEngine
from services.dialogue.engine.policy import Policy
from services.dialogue.engine.state import ConversationState

__all__ = ["ConversationState", "Decided", "DialogueEngine", "Policy"]
