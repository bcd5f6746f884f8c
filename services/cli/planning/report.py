"""A plan for people, and for programs: what is needed, by which assumptions, from which measurements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from services.cli.planning import needs
from services.cli.planning.costs import Costs
from services.cli.planning.needs import Load, Plan


def as_json(load: Load, plan: Plan, costs: Costs) -> dict[str, Any]:
    """Everything, as one JSON object."""
    return {
        "load": {**asdict(load), "turn_costs": dict(load.turn_costs)},
        "plan": {**asdict(plan), "replicas": plan.replicas, "cores": plan.cores},
        "assumptions": dict(assumptions(load)),
        "measured": costs.measured.model_dump(),
    }


def as_text(load: Load, plan: Plan, costs: Costs) -> Iterator[str]:
    """Line by line."""
    each = "" if plan.cells == 1 else ", in each cell"
    yield (f"{load.turns_per_second:,g} turns a second ({load.audio_share:.0%} spoken), {load.peak:,g} at the peak")
    if plan.cells > 1:
        yield f"cells           {plan.cells:,} side by side, because {plan.cells_because}"
    yield f"replicas        {plan.replicas:,} that use {plan.cores:,.1f} cores at the peak{each}"
    yield f"  {'service':<12}{'replicas':>9}{'cores':>9}{'memory':>11}   CPU a turn"
    for name, service in plan.services.items():
        yield (
            f"  {name:<12}{service.replicas:>9,}{service.cores:>9,.1f}{service.memory_gb:>8,.1f} GB"
            f"   {service.cpu_s_per_turn * 1000:.1f} ms{_override(load, name)}"
        )
    yield f"partitions      {plan.partitions:,} of each topic on the road{each}"
    yield f"brokers         {plan.brokers:,}{each}, for {plan.brokers_because}"
    yield (
        f"databases       {plan.database_primaries} PostgreSQL, {plan.database_commits_per_second:,.0f} transactions "
        f"a second, {plan.database_cores:,.1f} cores{each}"
    )
    yield f"GPUs            {plan.gpus:,}{each if plan.gpus else ''}"
    yield (
        f"storage         Kafka {_size(plan.kafka_storage_gb)}, databases {_size(plan.database_storage_gb)} "
        f"in {load.retention_days:g} days{', all cells' if plan.cells > 1 else ''}"
    )
    yield f"settings        {' '.join(f'{name}={value}' for name, value in plan.settings.items())}"
    yield "assumed"
    for name, meaning in assumptions(load).items():
        yield f"  {name:<22}{meaning}"
    measured = costs.measured
    yield f"measured        {measured.at} on {measured.machine}; again: {measured.renew}"
    yield f"  {measured.how}"


def assumptions(load: Load) -> dict[str, str]:
    """What was taken for granted, and which option changes it."""
    return {
        "peak": f"{load.peak_factor:g} times the mean (--peak-factor)",
        "utilisation": f"{load.utilisation:.0%} of a core a replica at the peak (--utilisation)",
        "replica": "one Python interpreter, so one core; at least "
        f"{load.least_replicas} of each service (--least-replicas)",
        "growth": f"{load.growth:g} partitions for each replica of the busiest service (--growth)",
        "speech": f"{load.speech_seconds:g} s a recording (--speech-seconds)",
        "turns": "of the mix in tests/load/mix.py; other models: --model-turn-cost SERVICE=SECONDS",
        "gpu": f"one hears {load.gpu_recordings_per_second:g} recordings a second (--gpu)"
        if load.gpu_recordings_per_second
        else "none: speech is heard on processors (--gpu RECORDINGS_PER_SECOND)",
        "broker": f"{needs.BROKER_MB_PER_SECOND:g} MB/s written and {needs.BROKER_PARTITIONS:,} partitions each; "
        f"{load.replication} copies (--replication); nothing compressed",
        "database": f"{load.primary_transactions:,.0f} transactions a second each, reading ones too "
        f"(--primary-transactions); one for each of {needs.PRIMARIES_OF_A_CELL} stateful services at most",
        "open turns": f"{needs.OPEN_SECONDS:g} s at the peak",
        "storage": f"{load.retention_days:g} days of the mean load (--retention-days); Parley deletes no turns itself",
    }


def _override(load: Load, name: str) -> str:
    if name == "asr" and load.gpu_recordings_per_second:
        return " (on GPUs instead)"
    return " (given)" if name in load.turn_costs else ""


def _size(gigabytes: float) -> str:
    for unit, scale in (("PB", 1e6), ("TB", 1e3)):
        if gigabytes >= scale:
            return f"{gigabytes / scale:,.1f} {unit}"
    return f"{gigabytes:,.1f} GB"
