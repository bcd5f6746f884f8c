"""The virtual home: which devices it has, and the state they are in.

Devices come from the packs; covers, locks, thermostats, robots and the weather station are made from the packs'
entities. Every tenant has a home of its own, furnished when it is first used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from services.dispatch.storage import DeviceRow, insert_unless_present
from shared.packs import Pack

EVERYWHERE = "everywhere"
THERMOSTAT, WEATHER_STATION = "thermostat", "weather_station"
SPEAKER, VACUUM, LAWN_MOWER = "speaker", "vacuum", "lawn_mower"
IDLE, PLAYING, PAUSED = "idle", "playing", "paused"
DOCKED, CLEANING, MOWING = "docked", "cleaning", "mowing"
FAN_MODES = ("auto", "low", "medium", "high")
_ROOMS_WITH_COVERS = ("living_room", "bedroom")  # where covers hang that name no room of their own


@dataclass(frozen=True, slots=True)
class DeviceState:
    """One device as it is; None where the device has no such state."""

    kind: str
    area: str  # empty for doors, which belong to no one room
    is_on: bool | None = None
    brightness: int | None = None  # percent
    color: str | None = None
    position: int | None = None  # percent open
    locked: bool | None = None
    target_temperature: float | None = None  # degrees Celsius
    temperature: float | None = None  # degrees Celsius
    speed: int | None = None  # percent, of a fan
    fan_mode: str | None = None  # one of FAN_MODES
    volume: int | None = None  # percent
    muted: bool | None = None
    activity: str | None = None  # what a player or a robot is at; of a weather station the weather
    media: str | None = None  # what plays, in the words it was asked for
    track: int | None = None  # from 1
    announcement: str | None = None  # what was broadcast last


def furnishing(packs: Sequence[Pack]) -> dict[str, DeviceState]:
    """The devices of a new home by id, in their first state: everything off, closed, locked and docked, 20 degrees."""
    home: dict[str, DeviceState] = {}
    for pack in packs:
        for device in pack.devices:
            home[device.id] = _appliance(device.device, device.area)
        areas = [area for area in _values(pack, "area") if area != EVERYWHERE]
        for cover in _values(pack, "cover"):
            own_room = [area for area in areas if cover.startswith(f"{area}_")]
            for area in own_room or [room for room in _ROOMS_WITH_COVERS if room in areas]:
                home[f"{cover}.{area}"] = DeviceState(cover, area, position=0)
        for door in _values(pack, "door"):
            home[f"lock.{door}"] = DeviceState(door, "", locked=True)
        if "temperature" in pack.entities:
            for area in areas:
                state = DeviceState(THERMOSTAT, area, target_temperature=20.0, temperature=20.0, fan_mode="auto")
                home[f"{THERMOSTAT}.{area}"] = state
        for robot in _values(pack, "robot"):
            home[f"robot.{robot}"] = DeviceState(robot, "", activity=DOCKED)
        if weather := _values(pack, "weather"):
            home[WEATHER_STATION] = DeviceState(WEATHER_STATION, "", activity=weather[0], temperature=20.0)
    return home


def _appliance(kind: str, area: str) -> DeviceState:
    if kind == "light" or kind.endswith("_light"):
        return DeviceState(kind, area, is_on=False, brightness=100, color="white")
    if kind == "fan":
        return DeviceState(kind, area, is_on=False, speed=100)
    if kind in (SPEAKER, "tv"):
        return DeviceState(kind, area, is_on=False, volume=50, muted=False, activity=IDLE)
    return DeviceState(kind, area, is_on=False)


def _values(pack: Pack, entity: str) -> list[str]:
    return [value.value for value in pack.entities[entity].values] if entity in pack.entities else []


def furnish(session: Session, tenant: str, home: dict[str, DeviceState]) -> list[DeviceRow]:
    """The tenant's devices, ordered by id; those of `home` that are not there yet are put there first."""
    rows = _rows(session, tenant)
    present = {row.id for row in rows}
    missing = [
        {"tenant": tenant, "id": device_id, **{name: getattr(state, name) for name in DeviceState.__slots__}}
        for device_id, state in home.items()
        if device_id not in present
    ]
    if missing:
        insert_unless_present(session, DeviceRow, ["tenant", "id"], missing)
        rows = _rows(session, tenant)
    return rows


def home_state(session: Session, tenant: str = "") -> dict[str, DeviceState]:
    """The tenant's devices by id, as they are now."""
    return {
        row.id: DeviceState(**{name: getattr(row, name) for name in DeviceState.__slots__})
        for row in _rows(session, tenant)
    }


def _rows(session: Session, tenant: str) -> list[DeviceRow]:
    return list(session.scalars(sa.select(DeviceRow).where(DeviceRow.tenant == tenant).order_by(DeviceRow.id)))
