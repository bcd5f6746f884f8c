"""Offsets: what may be committed is everything before the first record whose results are not durable."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.runtime.offsets import PartitionProgress

pytestmark = pytest.mark.unit


def test_nothing_is_committed_before_anything_came() -> None:
    assert PartitionProgress().to_commit() is None
    assert PartitionProgress().to_commit(again=True) is None


def test_records_nobody_handles_are_done_when_they_are_fetched() -> None:
    progress = PartitionProgress()
    progress.fetched(10, 0)
    assert progress.to_commit() == 11


def test_an_offset_waits_for_every_service_that_handles_its_record() -> None:
    progress = PartitionProgress()
    progress.fetched(0, 2)

    progress.done(0)
    assert progress.to_commit() == 0
    progress.done(0)
    assert progress.to_commit() == 1


def test_what_is_done_early_waits_for_what_came_before_it() -> None:
    progress = PartitionProgress()
    for offset in (5, 6, 7):
        progress.fetched(offset, 1)

    progress.done(7)
    progress.done(6)
    assert progress.to_commit() == 5
    assert progress.outstanding == 1
    progress.done(5)
    assert progress.to_commit() == 8


def test_an_offset_is_committed_once_and_again_when_asked() -> None:
    progress = PartitionProgress()
    progress.fetched(3, 0)

    assert progress.to_commit() == 4
    assert progress.to_commit() is None
    assert progress.to_commit(again=True) == 4


def test_no_work_begins_once_the_partition_is_taken_away_and_what_began_may_end() -> None:
    progress = PartitionProgress()
    progress.fetched(0, 1)
    assert progress.begin()

    progress.close()

    assert not progress.begin()
    assert progress.running == 1
    progress.done(0)
    progress.end()
    assert (progress.running, progress.to_commit()) == (0, 1)


@given(services=st.lists(st.integers(0, 3), min_size=1, max_size=12), data=st.data())
def test_in_whatever_order_work_ends_no_unfinished_record_is_ever_passed(
    services: list[int], data: st.DataObject
) -> None:
    progress = PartitionProgress()
    for offset, count in enumerate(services):
        progress.fetched(offset, count)
    left = dict(enumerate(services))
    ends = data.draw(st.permutations([offset for offset, count in enumerate(services) for _ in range(count)]))

    for offset in ends:
        progress.done(offset)
        left[offset] -= 1
        first_unfinished = next((each for each, count in left.items() if count), len(services))
        assert progress.to_commit(again=True) == first_unfinished


ROOM = 100


def test_what_was_sent_is_handed_out_ahead_only_where_it_is_exactly_the_next() -> None:
    progress = PartitionProgress()
    assert not progress.taken_ahead(0, 1, ROOM), "nothing was fetched yet, so nobody knows which is the next"
    progress.fetched(4, 1)

    assert not progress.taken_ahead(6, 1, ROOM), "somebody else's record stands before it"
    assert progress.taken_ahead(5, 1, ROOM)
    assert not progress.taken_ahead(5, 1, ROOM)


def test_the_fetch_passes_over_what_was_handed_out_ahead_and_over_nothing_else() -> None:
    progress = PartitionProgress()
    progress.fetched(4, 0)
    progress.taken_ahead(5, 0, ROOM)

    assert progress.passed_over(5)
    assert not progress.passed_over(6)


def test_what_is_handed_out_ahead_holds_back_the_commit_like_anything_else() -> None:
    progress = PartitionProgress()
    progress.fetched(4, 0)
    progress.taken_ahead(5, 1, ROOM)
    assert progress.to_commit() == 5

    progress.done(5)
    assert progress.to_commit() == 6


def test_nothing_is_handed_out_ahead_of_a_partition_that_is_taken_away_or_full() -> None:
    full, lost = PartitionProgress(), PartitionProgress()
    full.fetched(0, 1)
    lost.fetched(0, 0)
    lost.close()

    assert not full.taken_ahead(1, 1, 1)
    assert not lost.taken_ahead(1, 1, ROOM)


def test_a_broker_that_begins_anew_brings_other_records_under_the_same_offsets() -> None:
    progress = PartitionProgress()
    progress.fetched(4, 0)
    progress.taken_ahead(5, 0, ROOM)

    assert not progress.passed_over(0), "an offset below what was fetched: the partition is another one"
    progress.fetched(0, 0)
    assert not progress.passed_over(5)


@given(ours=st.lists(st.booleans(), min_size=1, max_size=30), data=st.data())
def test_whatever_the_fetch_and_the_senders_race_to_every_record_is_handed_out_once_and_in_order(
    ours: list[bool], data: st.DataObject
) -> None:
    """`ours`: which records of the partition this process sent itself; the log is fetched in order, late or early."""
    progress, handed, fetched = PartitionProgress(), [], 0
    acknowledgements = data.draw(st.permutations([offset for offset, own in enumerate(ours) if own]))
    steps = data.draw(st.permutations([True] * len(ours) + [False] * len(acknowledgements)))
    waiting = list(acknowledgements)

    for is_fetch in steps:
        if is_fetch:
            if not progress.passed_over(fetched):
                progress.fetched(fetched, 1)
                handed.append(fetched)
            fetched += 1
        elif progress.taken_ahead(offset := waiting.pop(), 1, ROOM):
            handed.append(offset)

    assert handed == list(range(len(ours)))
