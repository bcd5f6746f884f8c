"""What a person asks `parley plan`, checked: errors name the option, its value and the remedy."""

from __future__ import annotations

import math
from collections.abc import Sequence

from services.cli.hosting import SERVICES
from services.cli.planning.needs import MOST_PARTITIONS, Load
from shared.errors import InvalidInput

# option: the smallest and the largest value that makes sense, and what to write
_BOUNDS = {
    "--turns-per-second": (0.001, 10_000_000.0, "the mean over a day, for example 10"),
    "--audio-share": (0.0, 1.0, "the share of spoken turns, for example 0.3"),
    "--speech-seconds": (0.1, 300.0, "the mean length of a recording, for example 3"),
    "--peak-factor": (1.0, 100.0, "the peak as a multiple of the mean, for example 2"),
    "--utilisation": (0.05, 0.95, "the share of a core in use at the peak, for example 0.6"),
    "--growth": (1.0, 100.0, "partitions for each replica, for example 2"),
    "--retention-days": (0.01, 3650.0, "for how long events and turns are kept, for example 7"),
    "--replication": (1, 9, "copies of each event, for example 3"),
    "--least-replicas": (1, MOST_PARTITIONS, "replicas of each service, for example 2"),
    "--primary-transactions": (1.0, 10_000_000.0, "transactions a second of one PostgreSQL, for example 5000"),
    "--gpu": (0.0, 1_000_000.0, "recordings one GPU hears a second, as you measured it"),
}
_DEAREST_TURN = 3600.0  # processor seconds


def checked(load: Load) -> Load:
    """The load, if every value makes sense; raises InvalidInput."""
    given = {
        "--turns-per-second": load.turns_per_second,
        "--audio-share": load.audio_share,
        "--speech-seconds": load.speech_seconds,
        "--peak-factor": load.peak_factor,
        "--utilisation": load.utilisation,
        "--growth": load.growth,
        "--retention-days": load.retention_days,
        "--replication": load.replication,
        "--least-replicas": load.least_replicas,
        "--primary-transactions": load.primary_transactions,
        "--gpu": load.gpu_recordings_per_second,
    }
    for option, value in given.items():
        least, most, meaning = _BOUNDS[option]
        if not (math.isfinite(value) and least <= value <= most):
            raise InvalidInput(option, value, f"is not from {least:g} to {most:,.15g}; write {meaning}")
    if load.gpu_recordings_per_second and not load.audio_share:
        raise InvalidInput(
            "--gpu", load.gpu_recordings_per_second, "has nothing to hear; give --audio-share too, or leave it out"
        )
    if load.least_replicas * load.growth > MOST_PARTITIONS:
        raise InvalidInput(
            "--growth", load.growth, f"times --least-replicas is more than {MOST_PARTITIONS} partitions; lower one"
        )
    return load


def turn_costs(given: Sequence[str]) -> dict[str, float]:
    """`SERVICE=SECONDS` each: processor seconds a turn, in a measured cost's place. Raises InvalidInput."""
    option = "--model-turn-cost"
    costs: dict[str, float] = {}
    for text in given:
        name, _, number = text.partition("=")
        if name not in SERVICES:
            raise InvalidInput(
                option, text, f"names no service; write SERVICE=SECONDS, a service of {', '.join(SERVICES)}"
            )
        try:
            seconds = float(number)
        except ValueError as error:
            raise InvalidInput(option, text, f"holds no number; write for example {name}=0.02") from error
        if not 0 <= seconds <= _DEAREST_TURN:  # also refuses nan
            raise InvalidInput(
                option, text, f"is not from 0 to {_DEAREST_TURN:g} seconds; write for example {name}=0.02"
            )
        if name in costs:
            raise InvalidInput(option, text, f"gives {name} a second time; give each service once")
        costs[name] = seconds
    return costs
