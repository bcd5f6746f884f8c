"""The declared topology: what travels where, and how it is laid out."""

import pytest

from parley.v1 import turn_pb2
from shared.bus.topics import partitions_of
from shared.settings import KafkaSettings
from shared.topology import DEAD_LETTERS, LABELS, REPLIES, ROAD, TOPICS, UTTERANCES, Topic

pytestmark = pytest.mark.unit


def test_every_topic_is_known_by_its_own_name() -> None:
    assert all(name == topic.name for name, topic in TOPICS.items())


def test_an_event_type_belongs_to_one_topic() -> None:
    types = [topic.event_type for topic in TOPICS.values()]
    assert len(set(types)) == len(types)


def test_topics_of_the_road_have_equal_partition_counts() -> None:
    settings = KafkaSettings(road_partitions=7, other_partitions=2)

    assert {partitions_of(TOPICS[name], settings) for name in ROAD} == {7}
    assert partitions_of(TOPICS[LABELS], settings) == 2


def test_a_turn_travels_on_every_road_topic_between_the_entry_and_the_reply() -> None:
    between = ROAD[ROAD.index(UTTERANCES) + 1 : ROAD.index(REPLIES) + 1]
    assert {TOPICS[name].body for name in between} == {turn_pb2.Turn}


def test_clients_enter_where_the_design_lets_them() -> None:
    entries = {name for name, topic in TOPICS.items() if topic.entry}
    assert entries == {"parley.utterances", "parley.labels", "parley.documents", "parley.posts"}


def test_what_is_kept_for_latecomers_is_compacted() -> None:
    assert {name for name, topic in TOPICS.items() if topic.compacted} == {
        "parley.contexts",
        "parley.models",
        "parley.packs",
    }


@pytest.mark.parametrize("topic", TOPICS.values(), ids=lambda topic: topic.name)
def test_only_dead_letters_carry_bytes_of_any_kind(topic: Topic) -> None:
    assert (topic.body is None) == (topic.name == DEAD_LETTERS)
