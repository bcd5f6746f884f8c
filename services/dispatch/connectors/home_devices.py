"""Which of a home's devices a task means, and what is told of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import TaskFailed, required
from services.dispatch.connectors.virtual_home import EVERYWHERE, THERMOSTAT
from services.dispatch.storage import DeviceRow

Values = Mapping[str, str]
MIXED = "mixed"


def find(
    task: dispatch_pb2.Task, home: Sequence[DeviceRow], argument: str, *, all_areas: bool = False
) -> list[DeviceRow]:
    """The devices of the kind that `argument` names, in the area the task names; raises TaskFailed for none.

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


def thermostats(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> list[DeviceRow]:
    """The thermostats of the area the task names, or all; raises TaskFailed for none."""
    area = task.arguments.get("area", "") or EVERYWHERE
    found = [device for device in home if device.kind == THERMOSTAT and area in (device.area, EVERYWHERE)]
    if not found:
        raise TaskFailed("no_such_device", f"area: there is no thermostat in {area!r}", device=THERMOSTAT)
    return found


def supporting(task: dispatch_pb2.Task, devices: Sequence[DeviceRow], state: str) -> list[DeviceRow]:
    """Those of `devices` that have such a state; raises TaskFailed where none has."""
    able = [device for device in devices if getattr(device, state) is not None]
    if not able:
        raise TaskFailed("not_supported", f"device: {devices[0].kind!r} cannot do {task.action}")
    return able


def told(devices: Sequence[DeviceRow], area: str = "", argument: str = "device") -> dict[str, str]:
    """Kind, area and number of the devices acted on; "everywhere" where they stand in several areas, or was asked."""
    areas = {device.area for device in devices}
    one = areas.pop() if len(areas) == 1 and area != EVERYWHERE else EVERYWHERE
    return {argument: devices[0].kind, "area": one, "count": str(len(devices))}


def shared(states: Sequence[object]) -> str:
    """The state all devices share, MIXED where they differ, empty where they have none."""
    each = {"" if state is None else str(state) for state in states}
    return each.pop() if len(each) == 1 else MIXED


def degrees(value: float | None) -> str:
    """A temperature without needless digits."""
    return "" if value is None else f"{value:g}"
