"""What a hostile or broken client may send, as hypothesis draws it.

`PARLEY_FUZZ_EXAMPLES` sets how many examples each property is tried with (by default few enough for every test run).
"""

from __future__ import annotations

import json
import os
import uuid

from google.protobuf import json_format
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from parley.v1 import asr_pb2, generation_pb2, turn_pb2
from shared.runtime.road import open_turn

SECRET_WORDS = "my pin is 4711"  # what a person said: it must never be told in an error or a log
_SCALE = int(os.environ.get("PARLEY_FUZZ_EXAMPLES", "0"))


def fuzzed(examples: int, *, shrunk: bool = True) -> settings:
    """Settings of a property that is tried with so many examples.

    What takes seconds to try is not `shrunk` to its simplest form where it fails.
    """
    return settings(
        max_examples=_SCALE or examples,
        deadline=None,
        phases=tuple(Phase) if shrunk else (Phase.explicit, Phase.reuse, Phase.generate),
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def an_utterance() -> turn_pb2.Utterance:
    """A good one."""
    return turn_pb2.Utterance(turn_id=str(uuid.UUID(int=7)), conversation_id="c1", text=SECRET_WORDS, locale="en")


def a_turn() -> turn_pb2.Turn:
    """A good one, at its end."""
    turn = open_turn(an_utterance(), str(uuid.UUID(int=7)), "c1")
    turn.transcript.text = SECRET_WORDS
    turn.transcript.outcome = asr_pb2.TRANSCRIPT_OUTCOME_TYPED
    turn.reply.text = SECRET_WORDS
    turn.reply.kind = generation_pb2.REPLY_KIND_FINAL
    return turn


_GOOD = [
    an_utterance().SerializeToString(),
    a_turn().SerializeToString(),
    json_format.MessageToJson(an_utterance()).encode(),
]


@st.composite
def _damaged(draw: st.DrawFn) -> bytes:
    """A good body, cut off or with some bytes changed."""
    body = bytearray(draw(st.sampled_from(_GOOD)))
    for place in draw(st.lists(st.integers(0, len(body) - 1), max_size=4)):
        body[place] = draw(st.integers(0, 255))
    return bytes(body[: draw(st.integers(0, len(body)))])


_LISTS = st.lists(st.integers(), max_size=3)
_FIELDS = ["text", "turn_id", "conversation_id", "locale", "audio", "principal", "said_at", "x"]


@st.composite
def _hostile_json(draw: st.DrawFn) -> bytes:
    """JSON of the right shape with values of the wrong kind, size or depth."""
    strange = draw(
        st.one_of(
            st.none(),
            st.booleans(),
            st.integers(),
            st.floats(),
            st.text(max_size=50),
            st.lists(st.integers(), max_size=3),
        )
    )
    field = draw(
        st.sampled_from(["text", "turn_id", "conversation_id", "locale", "audio", "principal", "said_at", "x"])
    )

    document = {"text": SECRET_WORDS, field: strange}
    nested = b"[" * draw(st.integers(0, 3000))
    return draw(st.sampled_from([json.dumps(document).encode(), b'{"text":' + nested, json.dumps([document]).encode()]))


BODIES = st.one_of(st.binary(max_size=300), st.sampled_from(_GOOD), _damaged(), _hostile_json())
CONTENT_TYPES = st.sampled_from(
    [
        "application/protobuf",
        "application/json",
        "application/json; charset=utf-16",
        "text/plain",
        "",
        "\x00",
        "a" * 5000,
    ]
)
_HEADER_NAMES = st.one_of(
    st.sampled_from(
        [
            "ce_id",
            "ce_type",
            "ce_source",
            "ce_specversion",
            "ce_time",
            "content-type",
            "traceparent",
            "tracestate",
            "parley-key-id",
            "parley-reply-partition",
            "parley-reply-format",
            "parley-dead-stage",
            "parley-seal",
            "parley-redrive-of",
        ]
    ),
    st.text(min_size=1, max_size=20),
)
_HEADER_VALUES = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            b"1.0",
            b"parley.turn.transcribed.v1",
            b"/parley/dialogue",
            b"2026-11-25T12:00:00Z",
            b"9999999999999",
            b"-1",
            b"json",
            b"a\nb",
            b"x" * 5000,
            b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        ]
    ),
)
HEADERS = st.lists(st.tuples(_HEADER_NAMES, _HEADER_VALUES), max_size=8)
KEYS = st.one_of(st.none(), st.binary(max_size=40), st.text(max_size=40).map(str.encode))
