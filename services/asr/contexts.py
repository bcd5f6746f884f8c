"""The contexts of conversations, as dialogue last told them: a bounded memory, filled from `parley.contexts`."""

from __future__ import annotations

import threading
from collections import OrderedDict

from google.protobuf.message import Message

from parley.v1 import dialogue_pb2

_MOST_NAMES = 100
_LONGEST_NAME = 60  # characters
_LONGEST_REPLY = 400


class Contexts:
    """Conversation -> its newest context. Those unheard of for longest are forgotten first."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: OrderedDict[str, dialogue_pb2.Context] = OrderedDict()
        self._lock = threading.Lock()

    def tell(self, conversation_id: str, body: Message) -> None:
        """A context came; one that is older than what is known, or another conversation's, changes nothing."""
        if not isinstance(body, dialogue_pb2.Context) or body.conversation_id != conversation_id:
            return
        with self._lock:
            known = self._known.get(conversation_id)
            if known is None or body.revision >= known.revision:
                self._known[conversation_id] = _bounded(body)
            self._known.move_to_end(conversation_id)
            while len(self._known) > self._most:
                self._known.popitem(last=False)

    def forget(self, conversation_id: str) -> None:
        """The conversation's context was deleted."""
        with self._lock:
            self._known.pop(conversation_id, None)

    def of(self, conversation_id: str) -> dialogue_pb2.Context | None:
        """What is known of a conversation."""
        with self._lock:
            return self._known.get(conversation_id)


def _bounded(context: dialogue_pb2.Context) -> dialogue_pb2.Context:
    """A context of a size that any number of conversations can have."""
    bounded = dialogue_pb2.Context()
    bounded.CopyFrom(context)
    names = [name for name in context.entity_names if name.strip() and len(name) <= _LONGEST_NAME]
    del bounded.entity_names[:]
    bounded.entity_names.extend(names[:_MOST_NAMES])
    bounded.last_reply = context.last_reply[:_LONGEST_REPLY]
    return bounded
