"""Fans, robots, the weather station, and the question what state something is in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import TaskFailed, number, required
from services.dispatch.connectors.home_devices import (
    MIXED,
    Values,
    degrees,
    find,
    shared,
    supporting,
    thermostats,
    told,
)
from services.dispatch.connectors.virtual_home import (
    CLEANING,
    DOCKED,
    EVERYWHERE,
    FAN_MODES,
    LAWN_MOWER,
    MOWING,
    VACUUM,
    WEATHER_STATION,
)
from services.dispatch.storage import DeviceRow

_FAN = "fan"


def _set_fan_speed(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    speed = round(number(task, "speed", 0, 100))
    fans = supporting(task, find(_meaning(task, _FAN), home, "device"), "speed")
    previous = shared([fan.speed if fan.is_on else 0 for fan in fans])
    for fan in fans:
        fan.speed, fan.is_on = speed, speed > 0
    state = "on" if speed else "off"
    return {**_told(task, fans), "speed": str(speed), "previous_speed": previous, "state": state}


def _set_fan_mode(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    mode = required(task, "fan_mode")
    if mode not in FAN_MODES:
        detail = f"fan_mode: {mode!r} is unknown; use one of {', '.join(FAN_MODES)}"
        raise TaskFailed("invalid_value", detail, argument="fan_mode")
    found = thermostats(task, home)
    previous = shared([thermostat.fan_mode for thermostat in found])
    for thermostat in found:
        thermostat.fan_mode = mode
    return {**_told(task, found), "fan_mode": mode, "previous_fan_mode": previous}


def _robot(task: dispatch_pb2.Task, home: Sequence[DeviceRow], kind: str, activity: str, area: str = "") -> Values:
    robots = [device for device in home if device.kind == kind]
    if not robots:
        raise TaskFailed("no_such_device", f"there is no {kind!r} in this home", device=kind)
    previous = shared([robot.activity for robot in robots])
    for robot in robots:
        robot.activity, robot.area = activity, area
    return {"robot": kind, "area": area, "state": activity, "previous_state": previous, "count": str(len(robots))}


def _clean_area(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    area = required(task, "area")
    if area != EVERYWHERE and area not in {device.area for device in home}:
        raise TaskFailed("no_such_area", f"area: there is no {area!r} in this home")
    return _robot(task, home, VACUUM, CLEANING, area)


def _get_weather(_: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    station = next((device for device in home if device.kind == WEATHER_STATION), None)
    if station is None:
        raise TaskFailed("no_such_device", "there is no weather station in this home", device=WEATHER_STATION)
    return {"weather": station.activity or "", "temperature": degrees(station.temperature)}


def _get_state(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    """The state of what is named, and `count_on`: how many are on, open or unlocked where there are several."""
    argument = next((name for name in ("robot", "door", "cover", "device") if task.arguments.get(name)), "")
    if not argument:
        raise TaskFailed("missing_device", "device: is missing; name a device, a cover, a door or a robot")
    if argument in ("door", "robot"):
        kind = task.arguments[argument]
        found = [device for device in home if device.kind == kind]
        if not found:
            raise TaskFailed("no_such_device", f"{argument}: {kind!r} is not in this home")
        return {argument: kind, "state": shared([_state(device) for device in found]), "count": str(len(found))}
    found = find(task, home, argument, all_areas=True)
    states = [_state(device) for device in found]
    active = [device for device in found if device.is_on or device.position]
    values = {
        **told(found, task.arguments.get("area", ""), argument),
        "state": shared(states),
        "count_on": str(len(active)),
    }
    if values["state"] == MIXED and len(active) == 1:
        values["area"] = active[0].area
    return values


def _state(device: DeviceRow) -> str:
    if device.locked is not None:
        return "locked" if device.locked else "unlocked"
    if device.position is not None:
        return "open" if device.position else "closed"
    if device.is_on is not None:
        return "on" if device.is_on else "off"
    return device.activity or ""


ACTIONS: Mapping[str, Callable[[dispatch_pb2.Task, Sequence[DeviceRow]], Values]] = {
    "home.set_fan_speed": _set_fan_speed,
    "home.set_fan_mode": _set_fan_mode,
    "home.start_vacuum": lambda task, home: _robot(task, home, VACUUM, CLEANING, EVERYWHERE),
    "home.dock_vacuum": lambda task, home: _robot(task, home, VACUUM, DOCKED),
    "home.start_mower": lambda task, home: _robot(task, home, LAWN_MOWER, MOWING),
    "home.dock_mower": lambda task, home: _robot(task, home, LAWN_MOWER, DOCKED),
    "home.clean_area": _clean_area,
    "home.get_weather": _get_weather,
    "home.get_state": _get_state,
}


def _meaning(task: dispatch_pb2.Task, kind: str) -> dispatch_pb2.Task:
    """The task, said of devices of `kind`."""
    of = dispatch_pb2.Task()
    of.CopyFrom(task)
    of.arguments["device"] = kind
    return of


def _told(task: dispatch_pb2.Task, devices: Sequence[DeviceRow]) -> dict[str, str]:
    return told(devices, task.arguments.get("area", ""))
