"""Bodies pass through one codec, whose key id travels with them: old and new events are read side by side."""

from __future__ import annotations

import pytest

from parley.v1 import turn_pb2
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, decode, encode
from shared.errors import InvalidEvent
from shared.events import Outgoing
from shared.topology import UTTERANCES

pytestmark = pytest.mark.unit


class MaskDouble:
    """What encryption will be: every byte turned over by one that the key id stands for."""

    def __init__(self, key_id: str, mask: int) -> None:
        self.key_id = key_id
        self._mask = mask

    def encode(self, body: bytes) -> bytes:
        """The body, unreadable without the key."""
        return bytes(byte ^ self._mask for byte in body)

    def decode(self, coded: bytes) -> bytes:
        """The body again."""
        return self.encode(coded)


def written(codecs: Codecs) -> Wire:
    utterance = turn_pb2.Utterance(text="open the garage")
    return encode(Outgoing(UTTERANCES, "c", utterance), source="gateway", cause_id="1", inherited={}, codecs=codecs)


def fetched(wire: Wire) -> Fetched:
    headers = [(name, value.encode()) for name, value in wire.headers.items()]
    return Fetched(wire.topic, 0, 0, wire.key.encode(), headers, wire.body, 0, 0.0)


def test_without_a_codec_bodies_travel_as_they_are() -> None:
    wire = written(Codecs())

    assert wire.headers["parley-key-id"] == "identity"
    assert turn_pb2.Utterance.FromString(wire.body).text == "open the garage"


def test_a_coded_body_is_unreadable_on_the_wire_and_names_its_key() -> None:
    wire = written(Codecs(MaskDouble("key-7", 0x5A)))

    assert wire.headers["parley-key-id"] == "key-7"
    assert b"garage" not in wire.body


def test_events_from_before_and_after_a_change_of_key_are_read_side_by_side() -> None:
    old, new = MaskDouble("key-7", 0x5A), MaskDouble("key-8", 0xA5)
    wires = [written(Codecs()), written(Codecs(old)), written(Codecs(new))]
    codecs = Codecs(new, old, Codecs().writing)

    assert [decode(fetched(wire), codecs).body.text for wire in wires] == ["open the garage"] * 3  # type: ignore[attr-defined]


def test_a_body_under_an_unknown_key_is_refused_and_the_key_is_named() -> None:
    wire = written(Codecs(MaskDouble("key-9", 0x11)))

    with pytest.raises(InvalidEvent, match=r"headers\.parley-key-id: 'key-9' names a key this service does not hold"):
        decode(fetched(wire), Codecs())


def test_an_event_without_a_key_id_is_not_coded() -> None:
    """As every client that knows nothing of keys writes it."""
    body = b'{"text": "hello"}'
    assert decode(Fetched(UTTERANCES, 0, 0, None, [], body, 0, 0.0), Codecs()).body == turn_pb2.Utterance(text="hello")
