"""What plays in the virtual home: speakers and televisions, their music and volume, and what is announced on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from parley.v1 import dispatch_pb2
from services.dispatch.connectors.base import TaskFailed, number, required
from services.dispatch.connectors.home_devices import Values, shared, supporting, told
from services.dispatch.connectors.virtual_home import EVERYWHERE, PAUSED, PLAYING, SPEAKER
from services.dispatch.storage import DeviceRow

_STEP = 10  # percent that "louder" means
_LONGEST_TEXT = 500  # characters of what is played or announced


def _play(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    media = _text(task, "media")
    players = _players(task, home)
    if not _named(task):
        players = [player for player in players if player.activity == PLAYING] or players[:1]
    for player in players:
        player.activity, player.media, player.track, player.is_on = PLAYING, media, 1, True
    return {**_told(task, players), "media": media, "state": PLAYING}


def _pause(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    players = _in_activity(task, home, PLAYING)
    for player in players:
        player.activity = PAUSED
    return {**_told(task, players), **_media(players), "state": PAUSED}


def _resume(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    players = _in_activity(task, home, PAUSED)
    for player in players:
        player.activity = PLAYING
    return {**_told(task, players), **_media(players), "state": PLAYING}


def _skip(task: dispatch_pb2.Task, home: Sequence[DeviceRow], step: int) -> Values:
    players = _in_activity(task, home, PLAYING, PAUSED)
    for player in players:
        player.track = max(1, (player.track or 1) + step)
        player.activity = PLAYING
    return {**_told(task, players), **_media(players), "track": shared([player.track for player in players])}


def _set_volume(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    volume = round(number(task, "volume", 0, 100))
    return _turned(task, _active(task, home), lambda _: volume)


def _louder(task: dispatch_pb2.Task, home: Sequence[DeviceRow], direction: int) -> Values:
    step = round(number(task, "volume", 0, 100)) if task.arguments.get("volume") else _STEP
    return _turned(task, _active(task, home), lambda volume: min(100, max(0, volume + direction * step)))


def _turned(task: dispatch_pb2.Task, players: Sequence[DeviceRow], level: Callable[[int], int]) -> Values:
    previous = shared([player.volume for player in players])
    for player in players:
        player.volume, player.muted = level(player.volume or 0), False
    now = shared([player.volume for player in players])
    volume = {"volume": now} if now.isdigit() else {}
    return {**_told(task, players), **volume, "previous_volume": previous}


def _mute(task: dispatch_pb2.Task, home: Sequence[DeviceRow], muted: bool) -> Values:
    players = _active(task, home)
    previous = shared(["muted" if player.muted else "unmuted" for player in players])
    for player in players:
        player.muted = muted
    return {**_told(task, players), "state": "muted" if muted else "unmuted", "previous_state": previous}


def _broadcast(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> Values:
    message = _text(task, "message")
    speakers = [device for device in home if device.kind == SPEAKER]
    if not speakers:
        raise TaskFailed("no_such_device", "there is no speaker in this home", device=SPEAKER)
    for speaker in speakers:
        speaker.announcement = message
    return {**told(speakers, EVERYWHERE), "message": message}


ACTIONS: Mapping[str, Callable[[dispatch_pb2.Task, Sequence[DeviceRow]], Values]] = {
    "home.play_media": _play,
    "home.pause_media": _pause,
    "home.resume_media": _resume,
    "home.next_media": lambda task, home: _skip(task, home, 1),
    "home.previous_media": lambda task, home: _skip(task, home, -1),
    "home.set_volume": _set_volume,
    "home.volume_up": lambda task, home: _louder(task, home, 1),
    "home.volume_down": lambda task, home: _louder(task, home, -1),
    "home.mute": lambda task, home: _mute(task, home, True),
    "home.unmute": lambda task, home: _mute(task, home, False),
    "home.broadcast": _broadcast,
}


def _named(task: dispatch_pb2.Task) -> bool:
    return bool(task.arguments.get("device") or task.arguments.get("area"))


def _players(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> list[DeviceRow]:
    """The players of the kind and in the area the task names; speakers where it names no kind."""
    area, kind = task.arguments.get("area", ""), task.arguments.get("device", "")
    here = [device for device in home if area in ("", EVERYWHERE, device.area)]
    found = [device for device in here if device.kind == (kind or SPEAKER)]
    if not found and not kind:
        found = [device for device in here if device.volume is not None]
    if not found:
        where = f"in {area!r}" if area else "in this home"
        raise TaskFailed("no_such_device", f"device: there is no {kind or SPEAKER!r} {where}", device=kind or SPEAKER)
    return supporting(task, found, "volume")


def _active(task: dispatch_pb2.Task, home: Sequence[DeviceRow]) -> list[DeviceRow]:
    """The players the task names; where it names none those that play, else all speakers."""
    if _named(task):
        return _players(task, home)
    return [device for device in home if device.activity == PLAYING and device.volume is not None] or _players(
        task, home
    )


def _in_activity(task: dispatch_pb2.Task, home: Sequence[DeviceRow], *activities: str) -> list[DeviceRow]:
    """The players meant that are at one of `activities`; raises TaskFailed where none is."""
    meant = _players(task, home) if _named(task) else [device for device in home if device.volume is not None]
    found = [player for activity in activities for player in meant if player.activity == activity]
    if not found:
        raise TaskFailed("nothing_playing", f"{task.action}: nothing is {' or '.join(activities)}")
    return [player for player in found if player.activity == found[0].activity]


def _text(task: dispatch_pb2.Task, argument: str) -> str:
    text = required(task, argument).strip()
    if not 0 < len(text) <= _LONGEST_TEXT:
        detail = f"{argument}: {len(text)} characters; use 1 to {_LONGEST_TEXT}"
        raise TaskFailed("invalid_value", detail, argument=argument)
    return text


def _media(players: Sequence[DeviceRow]) -> dict[str, str]:
    titles = {player.media for player in players if player.media}
    return {"media": titles.pop()} if len(titles) == 1 else {}


def _told(task: dispatch_pb2.Task, players: Sequence[DeviceRow]) -> dict[str, str]:
    return told(players, task.arguments.get("area", ""))
