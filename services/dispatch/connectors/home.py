"""Smart home: acts on the devices of the virtual home."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2
from services.dispatch.connectors import home_media, home_more
from services.dispatch.connectors.base import Occasion, RecoveryClass, TaskFailed, number, required, succeeded
from services.dispatch.connectors.home_devices import Values, degrees, find, shared, supporting, thermostats, told
from services.dispatch.connectors.virtual_home import furnish, furnishing
from services.dispatch.storage import DeviceRow
from shared.packs import Pack

_COLDEST, _WARMEST = 5.0, 35.0  # degrees Celsius a thermostat takes


class HomeConnector:
    """Acts on the virtual home of the principal's tenant.

    Results tell `area`, `count` (devices acted on), the new state and, as `previous_...`, the old one ("mixed" where
    the devices differed).
    """

    name = "home"
    recovery = RecoveryClass.IDEMPOTENT

    def __init__(self, packs: Sequence[Pack]) -> None:
        self.home = furnishing(packs)
        self._colors = {
            value.value for pack in packs if "color" in pack.entities for value in pack.entities["color"].values
        }
        self._run: dict[str, Callable[[dispatch_pb2.Task, Sequence[DeviceRow]], Values]] = {
            "home.turn_on": lambda task, home: _switch(task, home, True),
            "home.turn_off": lambda task, home: _switch(task, home, False),
            "home.set_brightness": _set_brightness,
            "home.set_color": self._set_color,
            "home.set_temperature": _set_temperature,
            "home.get_temperature": _get_temperature,
            "home.open_cover": lambda task, home: _move(task, home, 100),
            "home.close_cover": lambda task, home: _move(task, home, 0),
            "home.set_position": _set_position,
            "home.lock": lambda task, home: _lock(task, home, True),
            "home.unlock": lambda task, home: _lock(task, home, False),
            **home_media.ACTIONS,
            **home_more.ACTIONS,
        }

    @property
    def actions(self) -> frozenset[str]:
        return frozenset(self._run)

    def execute(self, task: dispatch_pb2.Task, occasion: Occasion, session: Session) -> dispatch_pb2.TaskResult:
        """Act on the devices the arguments name; raises TaskFailed where there are none or a value is refused."""
        home = furnish(session, occasion.principal.tenant, self.home)
        values = self._run[task.action](task, home)
        session.flush()
        return succeeded(values)

    def _set_color(self, task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
        color = required(task, "color")
        if color not in self._colors:
            detail = f"color: {color!r} is unknown; use one of {', '.join(sorted(self._colors))}"
            raise TaskFailed("invalid_value", detail, argument="color")
        lights = supporting(task, find(task, home, "device"), "color")
        previous = shared([light.color for light in lights])
        for light in lights:
            light.color, light.is_on = color, True
        return {
            **told(lights, task.arguments.get("area", "")),
            "state": "on",
            "color": color,
            "previous_color": previous,
        }


def _switch(task: dispatch_pb2.Task, home: Sequence[DeviceRow], on: bool) -> Values:
    devices = supporting(task, find(task, home, "device"), "is_on")
    previous = shared(["on" if device.is_on else "off" for device in devices])
    for device in devices:
        device.is_on = on
    brightness = shared([device.brightness for device in devices]) if on else ""
    return {
        **told(devices, task.arguments.get("area", "")),
        "state": "on" if on else "off",
        "previous_state": previous,
        "brightness": brightness if brightness.isdigit() else "",
    }


def _set_brightness(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    brightness = round(number(task, "brightness", 0, 100))
    lights = supporting(task, find(task, home, "device"), "brightness")
    previous = shared([light.brightness if light.is_on else 0 for light in lights])
    for light in lights:
        light.is_on = brightness > 0
        light.brightness = brightness
    state = "on" if brightness else "off"
    return {
        **told(lights, task.arguments.get("area", "")),
        "state": state,
        "brightness": str(brightness),
        "previous_brightness": previous,
    }


def _set_temperature(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    target = number(task, "temperature", _COLDEST, _WARMEST)
    found = thermostats(task, home)
    previous = shared([degrees(thermostat.target_temperature) for thermostat in found])
    for thermostat in found:
        thermostat.target_temperature = target
    return {
        **told(found, task.arguments.get("area", "")),
        "temperature": degrees(target),
        "previous_temperature": previous,
    }


def _get_temperature(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    found = thermostats(task, home)
    measured = [thermostat.temperature for thermostat in found if thermostat.temperature is not None]
    target = shared([degrees(thermostat.target_temperature) for thermostat in found])
    mean = degrees(round(sum(measured) / len(measured), 1))
    return {
        **told(found, task.arguments.get("area", "")),
        "temperature": mean,
        "target_temperature": "" if target == "mixed" else target,
    }


def _move(task: dispatch_pb2.Task, home: Sequence[DeviceRow], position: int) -> Values:
    covers = find(task, home, "cover", all_areas=True)
    previous = shared(["open" if cover.position else "closed" for cover in covers])
    for cover in covers:
        cover.position = position
    state = "open" if position else "closed"
    return {
        **told(covers, task.arguments.get("area", ""), "cover"),
        "state": state,
        "position": str(position),
        "previous_state": previous,
    }


def _set_position(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    return _move(task, home, round(number(task, "position", 0, 100)))


def _lock(task: dispatch_pb2.Task, home: Sequence[DeviceRow], locked: bool) -> Values:
    name = required(task, "door")
    doors = [device for device in home if device.kind == name and device.locked is not None]
    if not doors:
        raise TaskFailed("no_such_device", f"door: {name!r} is not in this home")
    previous = shared(["locked" if door.locked else "unlocked" for door in doors])
    for door in doors:
        door.locked = locked
    return {"door": name, "state": "locked" if locked else "unlocked", "previous_state": previous}
