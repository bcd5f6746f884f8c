"""The gateway's HTTP API, as the command line uses it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import httpx

from shared.errors import InvalidInput, NotFound, Overloaded, ParleyError, Unavailable
from shared.settings import ServerSettings, StorageSettings

_TRIES = 4
_LONGEST_PAUSE = 10.0  # seconds
_CONTENT_TYPES = {".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".mp3": "audio/mpeg"}


class GatewayClient:
    """Speaks to one gateway, with a token: PARLEY_TOKEN, else a development token made from the local key."""

    def __init__(self, url: str = "", *, anonymous: bool = False) -> None:
        server = ServerSettings.load()
        self.url = url or f"http://{server.host}:{server.http_port}"
        headers = {} if anonymous else {"authorization": f"Bearer {_token()}"}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

    def say(self, body: dict[str, Any], wait: float) -> dict[str, Any]:
        """Publish one typed utterance and return the turn, finished if it ends within `wait` seconds."""
        return self._json("POST", "/v1/utterances", params={"wait": wait}, json=body)

    def say_audio(self, audio: Path, *, conversation: str, locale: str, wait: float) -> dict[str, Any]:
        """Publish one recording and return the turn."""
        content_type = _CONTENT_TYPES.get(audio.suffix.lower())
        if content_type is None:
            known = ", ".join(_CONTENT_TYPES)
            raise InvalidInput("--audio", str(audio), f"is of an unknown kind; use a file ending in {known}")
        try:
            content = audio.read_bytes()
        except OSError as error:
            raise InvalidInput("--audio", str(audio), f"cannot be read ({error.strerror}); name a recording") from error
        given = {"conversation_id": conversation, "locale": locale}
        params: dict[str, Any] = {"wait": wait} | {name: value for name, value in given.items() if value}
        return self._json(
            "POST", "/v1/utterances", params=params, content=content, headers={"content-type": content_type}
        )

    def turn(self, turn_id: str) -> dict[str, Any]:
        """All that is known of a turn."""
        return self._json("GET", f"/v1/turns/{turn_id}")

    def turns(self, conversation: str, limit: int) -> list[dict[str, Any]]:
        """The latest turns, newest first."""
        params: dict[str, Any] = {"limit": limit} | ({"conversation": conversation} if conversation else {})
        turns: list[dict[str, Any]] = self._json("GET", "/v1/turns", params=params)["turns"]
        return turns

    def _request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The answer; a gateway that asks to come again is asked again, after the pause it names, a few times."""
        for tries_left in reversed(range(_TRIES)):
            try:
                response = self._http.request(method, path, **arguments)
            except httpx.HTTPError as error:
                raise Unavailable(
                    f"gateway: {self.url} does not answer ({type(error).__name__}); start it with `parley up`"
                ) from error
            pause = response.headers.get("retry-after", "1")
            if response.status_code != httpx.codes.TOO_MANY_REQUESTS or not tries_left:
                break
            time.sleep(min(_LONGEST_PAUSE, float(pause) if pause.isdecimal() else 1.0))
        return response

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        response = self._request(method, path, **arguments)
        try:
            body: dict[str, Any] = response.json()
        except ValueError as error:
            raise Unavailable(f"gateway: {self.url} answers with {response.status_code} and no JSON") from error
        if response.is_success:
            return body
        problem = body.get("error", {})
        text = str(problem.get("message", body))
        if response.status_code == httpx.codes.NOT_FOUND:
            raise NotFound(text)
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise Overloaded(text, retry_after=float(response.headers.get("retry-after", "1")))
        if response.is_client_error:
            fields = problem.get("fields") or [{}]
            raise InvalidInput(str(fields[0].get("field", "request")), response.status_code, text)
        raise ParleyError(text)


def _token() -> str:
    given = os.environ.get("PARLEY_TOKEN")
    if given:
        return given
    from shared.principals import development_token

    return development_token(StorageSettings.load().data_dir)
