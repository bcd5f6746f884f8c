"""Smart home: switches, dims, colours, opens and locks the devices of the virtual home."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy.orm import Session

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import Occasion, RecoveryClass, TaskFailed, number, required, succeeded
from services.dispatch.connectors.virtual_home import EVERYWHERE, THERMOSTAT, furnish, furnishing
from services.dispatch.storage import DeviceRow
from shared.packs import Pack

_COLDEST, _WARMEST = 5.0, 35.0  # degrees Celsius a thermostat takes
Values = Mapping[str, str]


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
            "home.lock": lambda task, home: _lock(task, home, True),
            "home.unlock": lambda task, home: _lock(task, home, False),
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
        lights = _supporting(task, _find(task, home, "device"), "color")
        previous = _shared([light.color for light in lights])
        for light in lights:
            light.color, light.is_on = color, True
        return {**_where(task, lights), "state": "on", "color": color, "previous_color": previous}


def _switch(task: dispatch_pb2.Task, home: Sequence[DeviceRow], on: bool) -> Values:
    devices = _supporting(task, _find(task, home, "device"), "is_on")
    previous = _shared(["on" if device.is_on else "off" for device in devices])
    for device in devices:
        device.is_on = on
    brightness = _shared([device.brightness for device in devices]) if on else ""
    return {
        **_where(task, devices),
        "state": "on" if on else "off",
        "previous_state": previous,
        "brightness": brightness if brightness.isdigit() else "",
    }


def _set_brightness(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    brightness = round(number(task, "brightness", 0, 100))
    lights = _supporting(task, _find(task, home, "device"), "brightness")
    previous = _shared([light.brightness if light.is_on else 0 for light in lights])
    for light in lights:
        light.is_on = brightness > 0
        light.brightness = brightness
    state = "on" if brightness else "off"
    return {**_where(task, lights), "state": state, "brightness": str(brightness), "previous_brightness": previous}


def _set_temperature(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    target = number(task, "temperature", _COLDEST, _WARMEST)
    thermostats = _thermostats(task, home)
    previous = _shared([_degrees(thermostat.target_temperature) for thermostat in thermostats])
    for thermostat in thermostats:
        thermostat.target_temperature = target
    return {**_where(task, thermostats), "temperature": _degrees(target), "previous_temperature": previous}


def _get_temperature(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    thermostats = _thermostats(task, home)
    measured = [thermostat.temperature for thermostat in thermostats if thermostat.temperature is not None]
    target = _shared([_degrees(thermostat.target_temperature) for thermostat in thermostats])
    mean = _degrees(round(sum(measured) / len(measured), 1))
    return {**_where(task, thermostats), "temperature": mean, "target_temperature": "" if target == "mixed" else target}


def _move(task: dispatch_pb2.Task, home: Sequence[DeviceRow], position: int) -> Values:
    covers = _find(task, home, "cover", all_areas=True)
    previous = _shared(["open" if cover.position else "closed" for cover in covers])
    for cover in covers:
        cover.position = position
    state = "open" if position else "closed"
    return {**_where(task, covers), "state": state, "position": str(position), "previous_state": previous}


def _lock(task: dispatch_pb2.Task, home: Sequence[DeviceRow], locked: bool) -> Values:
    name = required(task, "door")
    doors = [device for device in home if device.kind == name and device.locked is not None]
    if not doors:
        raise TaskFailed("no_such_device", f"door: {name!r} is not in this home")
    previous = _shared(["locked" if door.locked else "unlocked" for door in doors])
    for door in doors:
        door.locked = locked
    return {"door": name, "state": "locked" if locked else "unlocked", "previous_state": previous}


def _find(
    task: dispatch_pb2.Task, home: Sequence[DeviceRow], argument: str, *, all_areas: bool = False
) -> list[DeviceRow]:
    """The devices of the kind that `argument` names, in the area the task names.

    Without an area a kind that stands in one place is meant, or with `all_areas` every one of its kind.
    """
    kind, area = required(task, argument), task.arguments.get("area", "")
    found = [device for device in home if device.kind == kind]
    if area and area != EVERYWHERE:
        found = [device for device in found if device.area == area]
    if not found:
        where = f"in {area!r}" if area else "in this home"
        raise TaskFailed("no_such_device", f"{argument}: there is no {kind!r} {where}")
    if len(found) > 1 and not area and not all_areas:
        areas = ", ".join(device.area for device in found)
        raise TaskFailed("ambiguous_device", f"area: is missing; {kind!r} stands in {areas}")
    return found


def _thermostats(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> list[DeviceRow]:
    area = task.arguments.get("area", "") or EVERYWHERE
    found = [device for device in home if device.kind == THERMOSTAT and area in (device.area, EVERYWHERE)]
    if not found:
        raise TaskFailed("no_such_device", f"area: there is no thermostat in {area!r}", device=THERMOSTAT)
    return found


def _supporting(task: dispatch_pb2.Task, devices: list[DeviceRow], state: str) -> list[DeviceRow]:
    able = [device for device in devices if getattr(device, state) is not None]
    if not able:
        kind = devices[0].kind
        raise TaskFailed("not_supported", f"device: {kind!r} cannot do {task.action}")
    return able


def _where(task: dispatch_pb2.Task, devices: Sequence[DeviceRow]) -> dict[str, str]:
    """Kind, area and number of the devices acted on; "everywhere" where they stand in several areas."""
    argument = "cover" if task.action.endswith("_cover") else "device"
    areas = {device.area for device in devices}
    asked = task.arguments.get("area", "")
    area = areas.pop() if len(areas) == 1 and asked != EVERYWHERE else EVERYWHERE
    return {argument: devices[0].kind, "area": area, "count": str(len(devices))}


def _shared(states: Sequence[object]) -> str:
    """The state all devices share, "mixed" where they differ, empty where they have none."""
    told = {"" if state is None else str(state) for state in states}
    return told.pop() if len(told) == 1 else "mixed"


def _degrees(value: float | None) -> str:
    return "" if value is None else f"{value:g}"
