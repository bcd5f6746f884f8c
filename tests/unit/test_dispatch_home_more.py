"""The rest of the virtual home: players, fans, robots, the weather station, and what state things are in."""

from __future__ import annotations

import pytest

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.virtual_home import home_state
from tests.dispatching import Desk

pytestmark = pytest.mark.unit

DONE = dispatch_pb2.TASK_OUTCOME_SUCCEEDED


def done(desk: Desk, action: str, **arguments: str) -> dict[str, str]:
    result = desk.do(action, arguments)
    assert result.outcome == DONE, result
    return dict(result.values)


def refused(desk: Desk, action: str, **arguments: str) -> str:
    result = desk.do(action, arguments)
    assert result.outcome == dispatch_pb2.TASK_OUTCOME_FAILED, result
    return result.error_class


def test_music_plays_pauses_goes_on_and_skips(desk: Desk) -> None:
    assert refused(desk, "home.pause_media") == "nothing_playing"

    playing = done(desk, "home.play_media", media="jazz", area="kitchen")
    assert (playing["media"], playing["area"], playing["device"]) == ("jazz", "kitchen", "speaker")
    assert refused(desk, "home.resume_media") == "nothing_playing"
    assert done(desk, "home.pause_media")["area"] == "kitchen"
    assert done(desk, "home.resume_media")["media"] == "jazz"
    assert done(desk, "home.next_media")["track"] == "2"
    assert done(desk, "home.previous_media")["track"] == "1"
    assert done(desk, "home.previous_media")["track"] == "1"

    speakers = home_state(desk.session)
    assert speakers["speaker.kitchen"].activity == "playing"
    assert speakers["speaker.living_room"].activity == "idle"


def test_music_without_a_place_plays_where_music_plays_already(desk: Desk) -> None:
    done(desk, "home.play_media", media="jazz", area="kitchen")
    done(desk, "home.play_media", media="bach")

    assert home_state(desk.session)["speaker.kitchen"].media == "bach"
    assert home_state(desk.session)["speaker.living_room"].media is None


def test_louder_and_quieter_stay_within_the_scale_and_end_silence(desk: Desk) -> None:
    done(desk, "home.mute", device="tv")
    assert home_state(desk.session)["tv.living_room"].muted is True

    assert done(desk, "home.volume_up", device="tv")["volume"] == "60"
    assert home_state(desk.session)["tv.living_room"].muted is False
    assert done(desk, "home.volume_up", device="tv", volume="80")["volume"] == "100"
    assert done(desk, "home.volume_down", device="tv", volume="15")["volume"] == "85"
    assert done(desk, "home.set_volume", device="tv", volume="20")["previous_volume"] == "85"
    assert refused(desk, "home.set_volume", device="tv", volume="120") == "invalid_value"
    assert done(desk, "home.unmute", device="tv")["previous_state"] == "unmuted"


def test_what_cannot_play_is_not_turned_up(desk: Desk) -> None:
    assert refused(desk, "home.volume_up", device="light", area="kitchen") == "not_supported"
    assert refused(desk, "home.volume_up", device="tv", area="garage") == "no_such_device"


def test_an_announcement_reaches_every_speaker_and_only_so_long_a_one(desk: Desk) -> None:
    assert done(desk, "home.broadcast", message="dinner is ready")["count"] == "2"
    home = home_state(desk.session)
    assert {home[f"speaker.{area}"].announcement for area in ("kitchen", "living_room")} == {"dinner is ready"}
    assert refused(desk, "home.broadcast", message="x" * 501) == "invalid_value"


def test_a_fan_has_a_speed_and_the_climate_a_fan_mode(desk: Desk) -> None:
    assert done(desk, "home.set_fan_speed", speed="40", area="office")["previous_speed"] == "0"
    fan = home_state(desk.session)["fan.office"]
    assert (fan.is_on, fan.speed) == (True, 40)
    assert done(desk, "home.set_fan_speed", speed="0", area="office")["state"] == "off"
    assert refused(desk, "home.set_fan_speed", speed="40", area="garage") == "no_such_device"

    assert done(desk, "home.set_fan_mode", fan_mode="high", area="bedroom")["previous_fan_mode"] == "auto"
    assert home_state(desk.session)["thermostat.bedroom"].fan_mode == "high"
    assert refused(desk, "home.set_fan_mode", fan_mode="stormy") == "invalid_value"


def test_a_cover_can_stand_halfway(desk: Desk) -> None:
    values = done(desk, "home.set_position", cover="blinds", area="bedroom", position="50")

    assert (values["position"], values["previous_state"]) == ("50", "closed")
    assert home_state(desk.session)["blinds.bedroom"].position == 50
    assert refused(desk, "home.set_position", cover="blinds", position="500") == "invalid_value"


def test_robots_go_out_and_home(desk: Desk) -> None:
    assert done(desk, "home.start_vacuum")["previous_state"] == "docked"
    assert done(desk, "home.clean_area", area="kitchen")["previous_state"] == "cleaning"
    assert home_state(desk.session)["robot.vacuum"].area == "kitchen"
    assert refused(desk, "home.clean_area", area="attic") == "no_such_area"
    assert done(desk, "home.dock_vacuum")["state"] == "docked"
    assert done(desk, "home.start_mower")["state"] == "mowing"
    assert done(desk, "home.get_state", robot="lawn_mower")["state"] == "mowing"
    assert done(desk, "home.dock_mower")["previous_state"] == "mowing"


def test_a_home_tells_what_is_on_open_and_locked(desk: Desk) -> None:
    done(desk, "home.turn_on", device="light", area="kitchen")

    assert done(desk, "home.get_state", device="light", area="kitchen")["state"] == "on"
    lights = done(desk, "home.get_state", device="light")
    assert (lights["state"], lights["count_on"], lights["area"]) == ("mixed", "1", "kitchen")
    assert done(desk, "home.get_state", door="front_door")["state"] == "locked"
    assert done(desk, "home.get_state", cover="curtains")["state"] == "closed"
    assert refused(desk, "home.get_state") == "missing_device"
    assert refused(desk, "home.get_state", door="trap_door") == "no_such_device"


def test_the_weather_station_says_what_it_is_like_outside(desk: Desk) -> None:
    assert done(desk, "home.get_weather") == {"weather": "sunny", "temperature": "20"}
