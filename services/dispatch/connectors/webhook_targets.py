"""Reads the file that says which outside systems carry out which actions."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.dispatch.connectors.base import RecoveryClass
from services.dispatch.connectors.webhook import Target, WebhookConnector
from shared.errors import InvalidSettings
from shared.packs import Pack

_LEAST_SECRET = 16  # bytes
_SETTING = "PARLEY_DISPATCH_WEBHOOKS"


class _TargetEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(pattern=r"^https?://")
    actions: tuple[str, ...] = Field(min_length=1)
    recovery: RecoveryClass
    secret_env: str = ""
    secret_file: Path | None = None
    status_url: str = Field(default="", pattern=r"^$|^https?://.*\{task_id\}")
    timeout_s: float = Field(default=5.0, gt=0, le=60)


def load_webhooks(file: Path | None, packs: Sequence[Pack]) -> list[WebhookConnector]:
    """A connector for each target of `file`; none without a file. Raises InvalidSettings naming entry and remedy."""
    if file is None:
        return []
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise InvalidSettings(_SETTING, str(file), f"cannot be read as TOML: {error}") from error
    targets = content.get("targets")
    if not isinstance(targets, dict) or not targets or set(content) != {"targets"}:
        raise InvalidSettings(_SETTING, str(file), "must hold [targets.NAME] tables and nothing else")
    known = {action for pack in packs for action in pack.actions}
    taken: dict[str, str] = {}
    connectors = []
    for name, entry in targets.items():
        target = _target(file, name, entry)
        for action in sorted(target.actions):
            if action not in known:
                remedy = f"is an action of no loaded pack; use one of {', '.join(sorted(known))}"
                raise InvalidSettings(f"{file.name}: targets.{name}.actions", action, remedy)
            if taken.setdefault(action, name) != name:
                remedy = f"is carried out by {taken[action]} already; give an action to one target"
                raise InvalidSettings(f"{file.name}: targets.{name}.actions", action, remedy)
        connectors.append(WebhookConnector(target))
    return connectors


def _target(file: Path, name: str, entry: object) -> Target:
    try:
        given = _TargetEntry.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        where = f"{file.name}: targets.{name}{f'.{field}' if field else ''}"
        raise InvalidSettings(where, first.get("input"), f"cannot be used: {first['msg']}") from error
    if given.recovery == RecoveryClass.RECONCILABLE and not given.status_url:
        where = f"{file.name}: targets.{name}.status_url"
        raise InvalidSettings(where, "", "is missing; a reconcilable target is asked there, by {task_id}")
    return Target(
        name=name,
        url=given.url,
        secret=_secret(file, name, given),
        actions=frozenset(given.actions),
        recovery=given.recovery,
        status_url=given.status_url,
        timeout=given.timeout_s,
    )


def _secret(file: Path, name: str, entry: _TargetEntry) -> bytes:
    """The secret, from where the entry says; its value is never shown."""
    if bool(entry.secret_env) == bool(entry.secret_file):
        where = f"{file.name}: targets.{name}"
        raise InvalidSettings(where, "", "needs its secret: name one of secret_env and secret_file")
    if entry.secret_env:
        source, secret = entry.secret_env, os.environ.get(entry.secret_env, "").encode()
    else:
        assert entry.secret_file is not None
        source = str(file.parent / entry.secret_file)
        try:
            secret = Path(source).read_bytes().strip()
        except OSError as error:
            where = f"{file.name}: targets.{name}.secret_file"
            raise InvalidSettings(where, source, f"cannot be read ({error.strerror})") from error
    if len(secret) < _LEAST_SECRET:
        where = f"{file.name}: targets.{name}"
        raise InvalidSettings(where, source, f"holds no secret of at least {_LEAST_SECRET} bytes")
    return secret
