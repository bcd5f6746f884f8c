"""Dead letters: what is written when an event is given up, and what an operator makes of the topic."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from services.cli.dead_letter_settling import REDRIVEN, original, sent_again
from services.cli.dead_letter_text import as_object, body_text, describe, json_line, line, printable
from services.cli.dead_letters import Choice, Letter, letters_of
from shared.bus.codec import Codecs
from shared.bus.envelope import Fetched, Wire, decode
from shared.errors import InvalidEvent, InvalidInput, NotFound, PermanentError
from shared.runtime.dead_letters import AT, DETAIL, ID, REDRIVE_OF, SETTLES, cut, dead_letter, settlement
from shared.topology import DEAD_LETTERS, DECISIONS, REPLIES, UNDERSTANDINGS, UTTERANCES

pytestmark = pytest.mark.unit

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SECRET = "my card number"


def fetched(wire: Wire, offset: int = 0, partition: int = 0) -> Fetched:
    """What a consumer makes of a record that was sent."""
    headers = [(name, value.encode("utf-8", "surrogateescape")) for name, value in wire.headers.items()]
    key = wire.key.encode("utf-8", "surrogateescape")
    return Fetched(wire.topic, partition, offset, key, headers, wire.body, 1_700_000_000_000 + offset, 0.0)


def event(
    topic: str = UNDERSTANDINGS,
    key: str = "kitchen",
    body: bytes = SECRET.encode(),
    offset: int = 7,
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """An event on its topic."""
    return fetched(Wire(topic, key, {"ce_id": "e-1", **(headers or {})}, body), offset, partition=2)


def given_up(
    record: Fetched, stage: str = "dialogue", error: Exception | None = None, at: datetime = NOON, attempts: int = 1
) -> Wire:
    """The dead letter of an event."""
    wire = dead_letter(record, stage=stage, error=error or PermanentError("no such intent"), attempts=attempts)
    return replace(wire, headers={**wire.headers, AT: at.isoformat()})


def letters(*wires: Wire) -> list[Letter]:
    """What a topic with these records tells."""
    return letters_of(fetched(wire, offset) for offset, wire in enumerate(wires))


def failed_again(letter: Letter, offset: int, at: datetime = NOON + timedelta(hours=1)) -> Wire:
    """The dead letter of an event that was sent again, from its new place, and given up once more."""
    return given_up(fetched(sent_again(letter, SECRET.encode()), offset, partition=2), at=at)


def ids(chosen: Sequence[Letter]) -> list[str]:
    """The ids of letters."""
    return [letter.id for letter in chosen]


# What is written


def test_a_letter_keeps_the_event_as_it_was() -> None:
    record = event(headers={"traceparent": "00-trace-span-01"})

    (letter,) = letters(given_up(record, attempts=3))

    assert original(letter, SECRET.encode()) == record
    assert (letter.latest.error, letter.latest.tries) == ("PermanentError", 3)


def test_headers_and_key_that_are_no_text_come_back_byte_by_byte() -> None:
    record = replace(event(), key=b"\xff\x00", headers=[("ce_id", b"\xc3\x28"), ("x", b"")])

    (letter,) = letters(given_up(record))

    assert original(letter, b"").headers == record.headers
    assert original(letter, b"").key == record.key


def test_an_event_cannot_write_its_own_letter_nor_settle_another() -> None:
    forged = event(headers={ID: "victim", SETTLES: "victim", DETAIL: "nothing to see", "Parley-Dead-Settles": "victim"})

    (letter,) = letters(given_up(forged))

    assert letter.id != "victim"
    assert letter.settlement is None
    assert letter.latest.detail == "no such intent"
    assert original(letter, SECRET.encode()) == forged  # and what it said is kept as its own


def test_a_letter_that_is_cut_for_its_size_loses_what_makes_it_large() -> None:
    wire = cut(given_up(event(body=b"x" * 5000, headers={"parley-dead-x": "y" * 5000})))

    assert sum(len(name) + len(value) for name, value in wire.headers.items()) < 1000
    (letter,) = letters(wire)
    assert (letter.latest.size, letter.latest.cut) == (5000, True)
    assert "5000 bytes" in letter.obstacle


# What is read


def test_a_letter_that_stands_twice_is_one() -> None:
    record = event()
    assert len(letters(given_up(record), given_up(record, at=NOON + timedelta(minutes=1)))) == 1


def test_two_events_that_are_alike_are_two_letters() -> None:
    assert len(letters(given_up(event(offset=7)), given_up(event(offset=8)))) == 2


def test_an_event_given_up_by_two_stages_is_two_letters() -> None:
    assert len(letters(given_up(event(), stage="dialogue"), given_up(event(), stage="gateway"))) == 2


def test_a_letter_is_settled_by_a_record_on_its_topic_in_whatever_order_they_are_read() -> None:
    wire = given_up(event())
    settled = settlement(wire.headers[ID], wire.key, REDRIVEN, "ann@desk")

    for order in itertools.permutations([wire, settled]):
        (letter,) = letters(*order)
        assert letter.settlement is not None
        assert (letter.settlement.what, letter.settlement.by) == (REDRIVEN, "ann@desk")


def test_a_copy_that_comes_after_its_settlement_does_not_open_it_again() -> None:
    wire = given_up(event())
    (letter,) = letters(wire, settlement(wire.headers[ID], wire.key, REDRIVEN, "ann"), wire)
    assert letter.settlement is not None


def test_what_fails_again_after_a_redrive_is_the_same_letter_and_open() -> None:
    first = given_up(event())
    settled = settlement(first.headers[ID], first.key, REDRIVEN, "ann")
    (letter,) = letters(first)
    second = failed_again(letter, 20)

    (letter,) = letters(first, settled, second)
    assert (letter.id, len(letter.attempts)) == (first.headers[ID], 2)
    assert letter.settlement is None
    assert [attempt.id for attempt in letter.unsettled] == [second.headers[ID]]

    third = failed_again(letter, 30, at=NOON + timedelta(hours=2))
    (letter,) = letters(first, settled, second, third)
    assert len(letter.attempts) == 3
    assert REDRIVE_OF not in letter.latest.headers  # the event's own headers are as they were the first time
    assert letter.latest.headers == letter.attempts[0].headers


def test_another_event_that_claims_to_be_a_letter_sent_again_is_a_letter_of_its_own() -> None:
    victim = given_up(event())
    claim = given_up(event(offset=9, body=b"something else", headers={REDRIVE_OF: victim.headers[ID]}))

    assert [len(letter.attempts) for letter in letters(victim, claim)] == [1, 1]


def test_a_record_on_the_topic_that_is_no_letter_is_shown_all_the_same() -> None:
    (letter,) = letters(Wire(DEAD_LETTERS, "", {}, b"?"))

    assert letter.id
    assert "no topic of events" in letter.obstacle


# What is chosen


def test_a_choice_takes_what_fits_all_that_it_asks_for() -> None:
    early = given_up(event(offset=1), at=NOON)
    late = given_up(event(offset=2, topic=DECISIONS, key="attic"), stage="dispatch", at=NOON + timedelta(hours=2))
    unreadable = given_up(event(offset=3), error=InvalidEvent("body", "", "is broken"), at=NOON + timedelta(hours=1))
    everything = letters(late, early, unreadable)
    early_id, late_id, unreadable_id = (wire.headers[ID] for wire in (early, late, unreadable))

    assert ids(Choice().of(everything)) == [early_id, unreadable_id, late_id]  # by time
    assert ids(Choice(stage="dispatch").of(everything)) == [late_id]
    assert ids(Choice(topic=DECISIONS).of(everything)) == [late_id]
    assert ids(Choice(topic="understandings").of(everything)) == [early_id, unreadable_id]
    assert ids(Choice(error="InvalidEvent").of(everything)) == [unreadable_id]
    assert ids(Choice(conversation="attic").of(everything)) == [late_id]
    assert ids(Choice(since=NOON + timedelta(hours=1)).of(everything)) == [unreadable_id, late_id]
    assert ids(Choice(until=NOON + timedelta(hours=1)).of(everything)) == [early_id]
    assert ids(Choice(stage="dispatch", error="InvalidEvent").of(everything)) == []
    assert ids(Choice(frozenset([late_id, early_id])).of(everything)) == [early_id, late_id]


def test_what_is_settled_is_chosen_only_when_asked_for() -> None:
    wire = given_up(event())
    letter_id = wire.headers[ID]
    everything = letters(wire, settlement(letter_id, wire.key, REDRIVEN, "ann"))

    assert Choice().of(everything) == []
    assert ids(Choice(handled=True).of(everything)) == [letter_id]
    with pytest.raises(InvalidInput, match="redriven already"):
        Choice(frozenset([letter_id])).of(everything)
    assert ids(Choice(frozenset([letter_id]), handled=True).of(everything)) == [letter_id]


def test_a_letter_is_known_by_any_of_its_attempts() -> None:
    first = given_up(event())
    (letter,) = letters(first)
    second = failed_again(letter, 20)

    assert ids(Choice(frozenset([second.headers[ID]])).of(letters(first, second))) == [first.headers[ID]]


def test_an_id_that_is_nobodys_stops_everything() -> None:
    wire = given_up(event())
    with pytest.raises(NotFound, match="nobody"):
        Choice(frozenset([wire.headers[ID], "nobody"])).of(letters(wire))


# What is sent again


def test_an_event_is_sent_again_as_it_was() -> None:
    (letter,) = letters(given_up(event(headers={"traceparent": "t"})))

    wire = sent_again(letter, b"body")

    assert (wire.topic, wire.key, wire.body, wire.partition) == (UNDERSTANDINGS, "kitchen", b"body", None)
    assert wire.headers == {"ce_id": "e-1", "traceparent": "t", REDRIVE_OF: letter.id}


def test_an_utterance_without_an_id_keeps_the_one_its_place_gave_it() -> None:
    record = replace(event(UTTERANCES, body=b'{"text": "hello"}'), headers=[])
    (letter,) = letters(given_up(record))

    again = fetched(sent_again(letter, record.body or b""), offset=99, partition=1)

    assert decode(again, Codecs()).id == decode(record, Codecs()).id


def test_a_reply_goes_back_to_the_gateway_that_waits_for_it() -> None:
    (letter,) = letters(given_up(event(REPLIES)))
    assert sent_again(letter, b"").partition == 2


# What is shown


def test_neither_a_line_nor_the_metadata_holds_the_body() -> None:
    (letter,) = letters(given_up(event()))
    shown = [line(letter), describe(letter), json_line(as_object(letter, whole=True))]
    assert [text for text in shown if SECRET in text] == []
    assert SECRET in body_text(letter, SECRET.encode())


def test_the_events_own_headers_stand_apart_from_those_of_the_letter() -> None:
    (letter,) = letters(given_up(event(headers={ID: "mine"})))
    assert as_object(letter, whole=True)["headers"] == {"ce_id": "e-1", ID: "mine"}
    assert as_object(letter)["id"] == letter.id != "mine"


def test_what_strangers_wrote_does_not_steer_the_terminal() -> None:
    record = replace(event(key="\x1b[2J\nkitchen 厨房"), headers=[("x\r", b"\x1b]0;title\x07\xff")])
    (letter,) = letters(given_up(record))

    for text in (line(letter), describe(letter), body_text(letter, b"\x1b[31m\xff")):
        assert not {"\x1b", "\r", "\x07"}.intersection(text)
        text.encode()  # and it can be written
    json_line(as_object(letter, whole=True)).encode()
    assert printable("厨房 kitchen") == "厨房 kitchen"
