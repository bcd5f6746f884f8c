"""The virtual home: devices are found by kind and area, and change state."""

from __future__ import annotations

import pytest

from parley.v1 import dispatch_pb2, principal_pb2
from services.dispatch.connectors.virtual_home import furnishing, home_state
from tests.dispatching import PACKS, RESIDENT, Desk

pytestmark = pytest.mark.unit

DONE = dispatch_pb2.TASK_OUTCOME_SUCCEEDED
FAILED = dispatch_pb2.TASK_OUTCOME_FAILED


def test_a_home_has_the_packs_devices_and_covers_locks_and_thermostats() -> None:
    home = furnishing(PACKS)

    assert {device.id for pack in PACKS for device in pack.devices} <= set(home)
    assert home["light.kitchen"].is_on is False
    assert home["curtains.bedroom"].position == 0
    assert home["garage_door.garage"].position == 0
    assert home["lock.front_door"].locked is True
    assert home["thermostat.kitchen"].target_temperature == 20.0
    assert "thermostat.everywhere" not in home
    assert home["fan.office"].brightness is None


def test_turning_a_light_on_changes_that_light_alone(desk: Desk) -> None:
    result = desk.do("home.turn_on", device="light", area="kitchen")

    assert result.outcome == DONE
    assert dict(result.values) == {
        "device": "light", "area": "kitchen", "state": "on", "previous_state": "off", "count": "1", "brightness": "100",
    }  # fmt: skip
    on = [device for device, state in home_state(desk.session).items() if state.is_on]
    assert on == ["light.kitchen"]


def test_a_device_that_stands_in_one_place_needs_no_area(desk: Desk) -> None:
    result = desk.do("home.turn_on", device="coffee_machine")

    assert result.outcome == DONE
    assert result.values["area"] == "kitchen"


def test_everywhere_means_every_device_of_the_kind(desk: Desk) -> None:
    desk.do("home.turn_on", device="light", area="office")

    result = desk.do("home.turn_off", device="light", area="everywhere")

    lights = [state for state in home_state(desk.session).values() if state.kind == "light"]
    assert result.values["count"] == str(len(lights)) == "9"
    assert result.values["previous_state"] == "mixed"
    assert not any(light.is_on for light in lights)


def test_dimming_and_colouring_switch_a_light_on(desk: Desk) -> None:
    dimmed = desk.do("home.set_brightness", device="light", area="bedroom", brightness="40")
    coloured = desk.do("home.set_color", device="light", area="bedroom", color="blue")

    light = home_state(desk.session)["light.bedroom"]
    assert (light.is_on, light.brightness, light.color) == (True, 40, "blue")
    assert (dimmed.values["brightness"], dimmed.values["previous_brightness"]) == ("40", "0")
    assert (coloured.values["color"], coloured.values["previous_color"]) == ("blue", "white")


def test_at_zero_percent_a_light_is_off(desk: Desk) -> None:
    desk.do("home.turn_on", device="light", area="bedroom")

    desk.do("home.set_brightness", device="light", area="bedroom", brightness="0")

    assert home_state(desk.session)["light.bedroom"].is_on is False


def test_temperatures_are_set_and_read(desk: Desk) -> None:
    everywhere = desk.do("home.set_temperature", temperature="21")
    bedroom = desk.do("home.set_temperature", temperature="18.5", area="bedroom")
    read = desk.do("home.get_temperature", area="bedroom")

    assert (everywhere.values["area"], everywhere.values["count"]) == ("everywhere", "9")
    assert (bedroom.values["temperature"], bedroom.values["previous_temperature"]) == ("18.5", "21")
    assert (read.values["temperature"], read.values["target_temperature"]) == ("20", "18.5")
    home = home_state(desk.session)
    assert home["thermostat.kitchen"].target_temperature == 21.0
    assert home["thermostat.bedroom"].target_temperature == 18.5


def test_covers_open_and_close(desk: Desk) -> None:
    opened = desk.do("home.open_cover", cover="blinds", area="living_room")
    both = desk.do("home.close_cover", cover="blinds")

    assert (opened.values["area"], opened.values["state"], opened.values["position"]) == ("living_room", "open", "100")
    assert (both.values["area"], both.values["count"], both.values["previous_state"]) == ("everywhere", "2", "mixed")
    assert home_state(desk.session)["blinds.living_room"].position == 0


def test_doors_are_unlocked_and_locked(desk: Desk) -> None:
    unlocked = desk.do("home.unlock", door="front_door")
    assert home_state(desk.session)["lock.front_door"].locked is False
    locked = desk.do("home.lock", door="front_door")
    assert home_state(desk.session)["lock.front_door"].locked is True

    assert (unlocked.values["door"], unlocked.values["previous_state"]) == ("front_door", "locked")
    assert (locked.values["state"], locked.values["previous_state"]) == ("locked", "unlocked")
    assert home_state(desk.session)["lock.back_door"].locked is True


@pytest.mark.parametrize(
    ("action", "arguments", "error_class"),
    [
        ("home.turn_on", {"device": "fan", "area": "garden"}, "no_such_device"),
        ("home.turn_on", {"device": "jacuzzi"}, "no_such_device"),
        ("home.turn_on", {"device": "light"}, "ambiguous_device"),
        ("home.turn_on", {"device": "blinds"}, "ambiguous_device"),
        ("home.turn_on", {"device": "garage_door"}, "not_supported"),
        ("home.turn_on", {}, "missing_argument"),
        ("home.set_brightness", {"device": "light", "area": "kitchen", "brightness": "101"}, "invalid_value"),
        ("home.set_brightness", {"device": "light", "area": "kitchen", "brightness": "much"}, "invalid_value"),
        ("home.set_brightness", {"device": "tv", "brightness": "10"}, "not_supported"),
        ("home.set_color", {"device": "light", "area": "kitchen", "color": "mauve"}, "invalid_value"),
        ("home.set_color", {"device": "fan", "area": "office", "color": "red"}, "not_supported"),
        ("home.set_temperature", {"temperature": "80"}, "invalid_value"),
        ("home.set_temperature", {"temperature": "nan"}, "invalid_value"),
        ("home.set_temperature", {"temperature": "20", "area": "attic"}, "no_such_device"),
        ("home.get_temperature", {"area": "attic"}, "no_such_device"),
        ("home.open_cover", {"cover": "curtains", "area": "garage"}, "no_such_device"),
        ("home.lock", {"door": "trapdoor"}, "no_such_device"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name_and_changes_nothing(
    desk: Desk, action: str, arguments: dict[str, str], error_class: str
) -> None:
    desk.do("home.turn_on", device="tv")
    before = home_state(desk.session)

    result = desk.do(action, arguments)

    assert (result.outcome, result.error_class) == (FAILED, error_class)
    assert result.detail
    assert home_state(desk.session) == before
    assert arguments.items() <= dict(result.values).items()  # what was asked is told


def test_every_tenant_has_a_home_of_its_own(desk: Desk) -> None:
    neighbour = principal_pb2.Principal(user_id="nell", tenant="next-door", roles=["resident"])

    desk.do("home.turn_on", by=neighbour, device="tv")
    desk.do("home.turn_on", by=RESIDENT, device="light", area="kitchen")

    assert home_state(desk.session, "next-door")["tv.living_room"].is_on is True
    assert home_state(desk.session)["tv.living_room"].is_on is False
    assert home_state(desk.session, "next-door")["light.kitchen"].is_on is False
