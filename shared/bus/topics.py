"""Creates the declared topology on a broker and checks what is already there."""

from __future__ import annotations

import structlog
from kafka import KafkaAdminClient
from kafka.admin import NewTopic
from kafka.errors import KafkaError, TopicAlreadyExistsError

from shared.bus.profile import BrokerProfile
from shared.errors import InvalidSettings, Unavailable
from shared.settings import KafkaSettings
from shared.topology import TOPICS, Topic

log = structlog.get_logger(__name__)


def partitions_of(topic: Topic, settings: KafkaSettings) -> int:
    """How many partitions a topic has: all on the road the same, so that a key has one partition number."""
    return settings.road_partitions if topic.road else settings.other_partitions


def ensure_topics(profile: BrokerProfile, settings: KafkaSettings) -> list[str]:
    """Create the topics that are missing and return their names.

    Raises Unavailable where no broker answers, InvalidSettings where a topic of the road has another partition count.
    """
    try:
        admin = KafkaAdminClient(**profile.connection, request_timeout_ms=5000, bootstrap_timeout_ms=3000)
    except KafkaError as error:
        raise Unavailable(
            f"kafka.bootstrap_servers: no broker answers at {', '.join(profile.bootstrap_servers)}"
        ) from error
    try:
        present = set(admin.list_topics())
        missing = [topic for topic in TOPICS.values() if topic.name not in present]
        for topic in missing:
            configs = {"cleanup.policy": "compact"} if topic.compacted else {}
            new = NewTopic(
                topic.name, partitions_of(topic, settings), settings.replication_factor, topic_configs=configs
            )
            try:
                admin.create_topics([new])
            except TopicAlreadyExistsError:
                continue  # another process was faster
        _check_partitions(admin, settings)
    except KafkaError as error:
        raise Unavailable(f"kafka: cannot read or create topics: {type(error).__name__}") from error
    finally:
        admin.close()
    if missing:
        log.info("topics created", count=len(missing), road_partitions=settings.road_partitions)
    return [topic.name for topic in missing]


def _check_partitions(admin: KafkaAdminClient, settings: KafkaSettings) -> None:
    for description in admin.describe_topics([topic.name for topic in TOPICS.values() if topic.road]):
        count = len(description["partitions"])
        if count and count != settings.road_partitions:
            name = description.get("name") or description.get("topic")
            raise InvalidSettings(
                "PARLEY_KAFKA_ROAD_PARTITIONS",
                settings.road_partitions,
                f"differs from the {count} partitions {name} has; set it to {count}, or add partitions to every topic "
                "of the road",
            )
