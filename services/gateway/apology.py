"""The last word on a turn that no drive has brought to its end: an apology as its final reply, and a dead letter."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import yaml

from parley.v1 import generation_pb2, stage_pb2, turn_pb2
from services.gateway.ledger import Entry
from shared.errors import PermanentError
from shared.events import Outgoing, derived_id
from shared.topology import REPLIES

_DISCRIMINATOR = "apology"
_FALLBACK = "en"


class Unanswered(PermanentError):
    """A turn without a final reply after its last drive."""


def apology(latest: turn_pb2.Turn, drives: int) -> Outgoing:
    """The turn as its last finished stage left it, with the apology as its final reply."""
    turn = turn_pb2.Turn()
    turn.CopyFrom(latest)
    del turn.route.next[:]
    turn.route.attempt = drives
    language = (latest.understanding.language or latest.utterance.locale).partition("-")[0]
    words = _words()
    turn.reply.CopyFrom(
        generation_pb2.Reply(
            kind=generation_pb2.REPLY_KIND_FINAL,
            text=words.get(language, words[_FALLBACK]),
            language=language if language in words else _FALLBACK,
            backend="gateway",
            attempt=drives,
        )
    )
    return Outgoing(REPLIES, turn.conversation_id, turn, discriminator=_DISCRIMINATOR)


def entry_of(outgoing: Outgoing, *, accepted: bool) -> Entry:
    """The ledger's entry for an apology: written with the decision to give up, whether or not the broker is there."""
    turn = outgoing.body
    assert isinstance(turn, turn_pb2.Turn)
    now = datetime.now(UTC)
    return Entry(
        turn_id=turn.turn_id,
        conversation_id=turn.conversation_id,
        event_id=derived_id(turn.turn_id, "gateway", REPLIES, _DISCRIMINATOR),  # as its record will have it
        topic=REPLIES,
        stage=stage_pb2.STAGE_GATEWAY,
        seq=len(turn.route.visits) + 1,
        body=turn,
        received_at=now,
        opened_at=now,
        principal=turn.utterance.principal,
        locale=turn.utterance.locale,
        reply=turn.reply,
        accepted=accepted,
    )


@cache
def _words() -> dict[str, str]:
    words: dict[str, str] = yaml.safe_load((Path(__file__).parent / "apologies.yaml").read_text(encoding="utf-8"))
    return words
