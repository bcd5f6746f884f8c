"""What the next utterance of a conversation may be about, for those who hear and understand it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

from parley.v1 import dialogue_pb2
from services.dialogue.engine.catalogue import AREA, THINGS, Catalogue
from services.dialogue.engine.state import ConversationState

_MOST_NAMES = 100


def context_of(state: ConversationState, catalogue: Catalogue) -> dialogue_pb2.Context:
    """The context of a conversation, in its language."""
    current = state.flow.intent if state.flow else state.last_intent
    active = catalogue[current].pack.name if current in catalogue else ""
    asked = state.flow.asked if state.flow else ""
    likely: tuple[str, ...] = (AREA, *THINGS)
    if asked and current in catalogue:
        likely = (catalogue[current].entity(asked).name, *likely)
    names = [pack.name for pack in catalogue.packs]
    language = state.locale.partition("-")[0] or "en"
    return dialogue_pb2.Context(
        conversation_id=state.conversation_id,
        active_packs=sorted(names, key=lambda name: name != active),
        entity_names=islice(catalogue.names(language, list(dict.fromkeys(likely))), _MOST_NAMES),
        requested_slot=asked,
        locale=state.locale,
        last_reply=state.last_reply,
        revision=state.revision,
    )


def revised(before: ConversationState, after: ConversationState, catalogue: Catalogue) -> ConversationState:
    """`after` with a new revision where its context differs from that of `before`, or is the first."""
    unchanged = context_of(replace(after, revision=before.revision), catalogue) == context_of(before, catalogue)
    return replace(after, revision=before.revision + (0 if unchanged and before.revision else 1))
