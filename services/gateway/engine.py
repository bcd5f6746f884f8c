"""What becomes of an utterance at the door: checked, completed, given to its user, and made the turn's first event."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from parley.v1 import asr_pb2, principal_pb2, stage_pb2, turn_pb2
from services.gateway.refusal import check_contract
from shared.events import Outgoing
from shared.principals import PrincipalSeal
from shared.runtime.road import INSTANCE, open_turn
from shared.topology import TRANSCRIPTS, UTTERANCES

INLINE_AUDIO_BYTES = 512 * 1024  # what an event carries; a larger recording is kept elsewhere and named
KeepAudio = Callable[[bytes], asr_pb2.ClaimCheck]


class Opening:
    """Opens turns. `keep_audio` stores a recording that is too large for an event and says where it is."""

    def __init__(self, seal: PrincipalSeal, keep_audio: KeepAudio) -> None:
        self._seal = seal
        self._keep_audio = keep_audio

    def complete(self, given: turn_pb2.Utterance, principal: principal_pb2.Principal) -> turn_pb2.Utterance:
        """A copy with ids, time and principal; raises InvalidBody with every field that breaks its contract.

        Who speaks is said by the token, never by the body, so a principal in `given` is dropped.
        """
        check_contract(given)
        utterance = turn_pb2.Utterance()
        utterance.CopyFrom(given)
        utterance.turn_id = str(uuid.UUID(given.turn_id) if given.turn_id else uuid.uuid4())
        utterance.conversation_id = given.conversation_id or utterance.turn_id
        utterance.ClearField("principal")
        if principal.ByteSize():
            utterance.principal.CopyFrom(principal)
        if not utterance.HasField("said_at"):
            utterance.said_at.GetCurrentTime()
        if len(utterance.audio.data) > INLINE_AUDIO_BYTES:
            utterance.audio.claim_check.CopyFrom(self._keep_audio(utterance.audio.data))
        return utterance

    def event(self, utterance: turn_pb2.Utterance, received_at: float) -> Outgoing:
        """The event that opens the turn: speech goes to asr, its principal sealed; typed text is its own transcript.

        `received_at`: Unix seconds at which the client's request arrived.
        """
        key = utterance.conversation_id
        if utterance.WhichOneof("content") == "audio":
            return Outgoing(UTTERANCES, key, utterance, headers=self.sealed(utterance))
        turn = open_turn(utterance, utterance.turn_id, key)
        turn.transcript.text = utterance.text
        turn.transcript.outcome = asr_pb2.TRANSCRIPT_OUTCOME_TYPED
        turn.transcript.confidence = 1.0
        visit = turn.route.visits.add(stage=stage_pb2.STAGE_GATEWAY, instance=INSTANCE)
        visit.received_at.FromMicroseconds(round(received_at * 1e6))
        visit.stage_time.FromMicroseconds(max(0, round((time.time() - received_at) * 1e6)))
        return Outgoing(TRANSCRIPTS, key, turn)

    def again(self, opening: turn_pb2.Utterance | turn_pb2.Turn, attempt: int) -> Outgoing:
        """The event of a turn that is driven again: its first one, with `attempt` noted where there is room for it."""
        if isinstance(opening, turn_pb2.Utterance):
            return Outgoing(UTTERANCES, opening.conversation_id, opening, headers=self.sealed(opening))
        turn = turn_pb2.Turn()
        turn.CopyFrom(opening)
        turn.route.attempt = attempt
        return Outgoing(TRANSCRIPTS, turn.conversation_id, turn)

    def sealed(self, utterance: turn_pb2.Utterance) -> dict[str, str]:
        """The header that proves the utterance's principal; none for an anonymous one."""
        return self._seal.seal(utterance) if utterance.HasField("principal") else {}
