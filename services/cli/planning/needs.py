"""From a load and the measured costs of a turn to replicas, partitions, brokers, databases, GPUs and storage."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from services.cli.hosting import SERVICES
from services.cli.planning.costs import Costs
from shared.settings import KafkaSettings
from shared.topology import ROAD, TOPICS

# What was not measured here is assumed, and told with every answer.
BROKER_MB_PER_SECOND = 50.0  # written to one broker, copies for other brokers included
BROKER_PARTITIONS = 4000  # copies of partitions one broker carries well
PRIMARIES_OF_A_CELL = 3  # gateway, dialogue and dispatch each have a database of their own
PARTITIONS_TOGETHER = 12  # partitions come in dozens: 2, 3, 4, 6 and 12 replicas share them evenly
OPEN_SECONDS = 3.0  # a turn may be open so long at the peak: twice the objective of 1.5 s
MOST_PARTITIONS: int = next(
    each.le for each in KafkaSettings.model_fields["road_partitions"].metadata if hasattr(each, "le")
)
_DAY = 86_400.0  # seconds


@dataclass(frozen=True, slots=True)
class Load:
    """What is asked for. `turns_per_second` is the mean over a day; the peak is `peak_factor` times that."""

    turns_per_second: float
    audio_share: float = 0.0
    speech_seconds: float = 3.0  # mean length of a recording
    peak_factor: float = 2.0
    utilisation: float = 0.6  # of a replica's core, at the peak
    growth: float = 2.0  # partitions there are for each replica needed now: they cannot be added without a pause
    retention_days: float = 7.0
    replication: int = 3
    least_replicas: int = 2
    primary_transactions: float = 5000.0  # a second, of one PostgreSQL primary; those that only read among them
    gpu_recordings_per_second: float = 0.0  # what one GPU hears; 0: speech is heard on processors
    turn_costs: Mapping[str, float] = field(
        default_factory=dict
    )  # processor seconds a turn, in a measured cost's place

    @property
    def peak(self) -> float:
        """Turns a second at the peak."""
        return self.turns_per_second * self.peak_factor


@dataclass(frozen=True, slots=True)
class ServiceNeeds:
    """One service, in one cell."""

    cpu_s_per_turn: float
    replicas: int
    cores: float  # in use at the peak, by all replicas
    memory_gb: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What the load needs. Everything but `cells` and the storage is for one cell."""

    cells: int
    cells_because: str  # what one cell could not carry; empty where one does
    services: Mapping[str, ServiceNeeds]
    gpus: int
    partitions: int
    brokers: int
    brokers_because: str
    broker_mb_per_second: float
    database_primaries: int
    database_commits_per_second: float
    database_cores: float
    kafka_storage_gb: float  # of all cells, copies included
    database_storage_gb: float
    settings: Mapping[str, str]

    @property
    def replicas(self) -> int:
        """Processes of all services in one cell."""
        return sum(each.replicas for each in self.services.values())

    @property
    def cores(self) -> float:
        """Cores the services use at the peak, in one cell."""
        return sum(each.cores for each in self.services.values())


def plan(load: Load, costs: Costs) -> Plan:
    """Compute it. `load` holds values that make sense; `request.py` checks those a person gives."""
    cells, because = _cells(load, costs)
    peak = load.peak / cells
    services = {name: _service(name, peak, load, costs) for name in SERVICES}
    partitions = _partitions(max(each.replicas for each in services.values()), load.growth)
    written = peak * _bytes_per_turn(load, costs) * load.replication / 1e6
    brokers, brokers_because = _brokers(written, partitions, load.replication)
    commits = peak * costs.database.commits_per_turn
    stored = load.turns_per_second * load.retention_days * _DAY / 1e9
    database = costs.parts["database"]
    return Plan(
        cells=cells,
        cells_because=because,
        services=services,
        gpus=services["asr"].replicas if _on_gpu(load) else 0,
        partitions=partitions,
        brokers=brokers,
        brokers_because=brokers_because,
        broker_mb_per_second=written,
        database_primaries=_primaries(commits, load),
        database_commits_per_second=commits,
        database_cores=peak * database.cpu_s(load.audio_share, _further(load, costs)) / load.utilisation,
        kafka_storage_gb=stored * _bytes_per_turn(load, costs) * load.replication,
        database_storage_gb=stored * _database_bytes_per_turn(load, costs),
        settings=_settings(load, peak, partitions, services["gateway"].replicas),
    )


def machine_capacity(
    costs: Costs, cores: float, audio_share: float = 0.0, speech_seconds: float | None = None
) -> float:
    """Turns a second at which every core of one machine that runs all parts is busy, the database and broker too."""
    seconds = costs.measured.speech_s if speech_seconds is None else speech_seconds
    further = seconds - costs.measured.speech_s
    per_turn = sum(part.cpu_s(audio_share, further) for part in costs.parts.values())
    return max(0.0, cores - sum(part.idle_cores for part in costs.parts.values())) / per_turn


def process_capacity(costs: Costs, audio_share: float = 0.0) -> float:
    """Turns a second at which the one interpreter of `parley up` is busy; native code hears outside it."""
    services = [costs.parts[name] for name in SERVICES if name != "asr"]
    return 1.0 / sum(part.cpu_s(audio_share, 0.0) for part in services)


def _cpu_s(name: str, load: Load, costs: Costs) -> float:
    return load.turn_costs.get(name, costs.parts[name].cpu_s(load.audio_share, _further(load, costs)))


def _further(load: Load, costs: Costs) -> float:
    """Seconds of speech beyond those of the recordings measured; negative where they are shorter."""
    return load.speech_seconds - costs.measured.speech_s


def _on_gpu(load: Load) -> bool:
    return bool(load.gpu_recordings_per_second and load.audio_share)


def _replicas(name: str, peak: float, load: Load, costs: Costs) -> int:
    """Enough that each is busy to its share at the peak. A replica is one Python interpreter: one core."""
    busy = peak * _cpu_s(name, load, costs)
    if name == "asr" and _on_gpu(load):
        busy = peak * load.audio_share / load.gpu_recordings_per_second
    return max(load.least_replicas, math.ceil(busy / load.utilisation - 1e-9))


def _service(name: str, peak: float, load: Load, costs: Costs) -> ServiceNeeds:
    replicas = _replicas(name, peak, load, costs)
    cpu_s = _cpu_s(name, load, costs)
    part = costs.parts[name]
    return ServiceNeeds(
        cpu_s_per_turn=cpu_s,
        replicas=replicas,
        cores=replicas * part.idle_cores + (0.0 if name == "asr" and _on_gpu(load) else peak * cpu_s),
        memory_gb=replicas * part.memory_mb / 1000,
    )


def _partitions(replicas: int, growth: float) -> int:
    """At least one for each replica, with room to grow, in whole dozens while the limit allows."""
    dozens = math.ceil(replicas * growth / PARTITIONS_TOGETHER - 1e-9) * PARTITIONS_TOGETHER
    return max(replicas, min(dozens, MOST_PARTITIONS))


def _cells(load: Load, costs: Costs) -> tuple[int, str]:
    """How many installations side by side, each with conversations of its own, and what makes it more than one."""
    most_replicas = math.floor(MOST_PARTITIONS / load.growth)
    busiest = max(SERVICES, key=lambda name: _replicas(name, load.peak, load, costs))
    by_partitions = math.ceil(_replicas(busiest, load.peak, load, costs) / most_replicas)
    commits = load.peak * costs.database.commits_per_turn
    by_database = math.ceil(_primaries(commits, load) / PRIMARIES_OF_A_CELL)
    cells = max(by_partitions, by_database, 1)
    if cells == 1:
        return 1, ""
    if by_database >= by_partitions:
        most = PRIMARIES_OF_A_CELL * load.primary_transactions
        return cells, f"the databases of one cell bear {most:,.0f} transactions a second"
    return cells, f"{busiest} needs more replicas than {MOST_PARTITIONS} partitions allow"


def _primaries(commits: float, load: Load) -> int:
    return max(1, math.ceil(commits / load.primary_transactions))


def _topic_bytes(load: Load, costs: Costs) -> Iterator[float]:
    for name, topic in costs.topics.items():
        if name in TOPICS and not TOPICS[name].compacted:
            yield (1 - load.audio_share) * topic.bytes_per_typed_turn + load.audio_share * topic.bytes_per_spoken_turn


def _bytes_per_turn(load: Load, costs: Costs) -> float:
    """Written to Kafka for a mean turn, one copy. The recording travels once, in its utterance."""
    longer = load.audio_share * costs.audio_bytes_per_speech_s * _further(load, costs)
    return max(0.0, sum(_topic_bytes(load, costs)) + longer)


def _database_bytes_per_turn(load: Load, costs: Costs) -> float:
    """Kept in the databases for a mean turn. What a spoken turn takes beyond a typed one grows with its recording."""
    typed, spoken = costs.database.bytes_per_typed_turn, costs.database.bytes_per_spoken_turn
    longer = load.audio_share * (spoken - typed) * _further(load, costs) / costs.measured.speech_s
    return max(0.0, (1 - load.audio_share) * typed + load.audio_share * spoken + longer)


def _brokers(written: float, partitions: int, replication: int) -> tuple[int, str]:
    others = len(TOPICS) - len(ROAD)
    copies = (partitions * len(ROAD) + others) * replication
    needed = {
        f"{replication} copies of everything": replication,
        f"{written:,.0f} MB/s written": math.ceil(written / BROKER_MB_PER_SECOND),
        "the copies of partitions": math.ceil(copies / BROKER_PARTITIONS),
    }
    because = max(needed, key=lambda reason: needed[reason])
    return needed[because], because


def _settings(load: Load, peak: float, partitions: int, gateways: int) -> dict[str, str]:
    """What has to be set for the plan to hold, where the default would not do."""
    open_turns = math.ceil(peak * OPEN_SECONDS)
    wanted = {
        "PARLEY_KAFKA_ROAD_PARTITIONS": partitions,
        "PARLEY_KAFKA_REPLICATION_FACTOR": load.replication,
        "PARLEY_GATEWAY_MAX_BACKLOG": max(500, open_turns),
        "PARLEY_GATEWAY_MAX_WAITING": max(1000, math.ceil(2 * open_turns / gateways)),
    }
    return {name: str(value) for name, value in wanted.items()}
