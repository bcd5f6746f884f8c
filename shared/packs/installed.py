"""The packs of a deployment: the bundled ones that are not switched off, those of `PARLEY_PACKS_PATHS`, and those that
came by event, which stand in the place of others of their name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from shared.errors import InvalidPack, InvalidSettings
from shared.packs.bundle import fetched
from shared.packs.checking import examine
from shared.packs.loader import bundled_packs
from shared.packs.model import Pack
from shared.packs.problems import refuse
from shared.packs.published import PublishedPacks
from shared.settings import Section, StorageSettings, section_config

_ALWAYS = "conversation"  # holds what every act says where no other pack has words
_SETTING = "PARLEY_PACKS_PATHS"


class PackSettings(Section):
    """What the deployment can talk about."""

    section = "packs"
    model_config = section_config("packs")

    paths: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Folders or URIs of packs beside the bundled ones; separated by commas"
    )
    published: Path | None = Field(
        default=None, description="A list of packs that came by event; default: the one in the data folder"
    )
    off: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Names of bundled packs that are not loaded; separated by commas"
    )

    @field_validator("paths", "off", mode="before")
    @classmethod
    def _separated(cls, value: Any) -> Any:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def installed_packs() -> tuple[Pack, ...]:
    """The packs of this deployment; raises InvalidSettings or InvalidPack."""
    settings = PackSettings.load()
    store = PublishedPacks(StorageSettings.load().data_dir)
    published = tuple(store.path_of(ref) for ref in store.active(settings.published))
    return _installed(settings.paths, settings.off, published)


def with_published(folders: Sequence[Path]) -> tuple[Pack, ...]:
    """What the packs would be with those of `folders`; raises InvalidSettings or InvalidPack."""
    settings = PackSettings.load()
    return _installed(settings.paths, settings.off, tuple(folders))


@cache
def _installed(paths: tuple[str, ...], off: tuple[str, ...], published: tuple[Path, ...] = ()) -> tuple[Pack, ...]:
    bundled = {pack.name: pack for pack in bundled_packs()}
    for name in off:
        if name not in bundled or name == _ALWAYS:
            known = ", ".join(sorted(set(bundled) - {_ALWAYS}))
            raise InvalidSettings("PARLEY_PACKS_OFF", name, f"cannot be switched off; use one of {known}")
    packs = [pack for name, pack in bundled.items() if name not in off]
    packs += [_external(path) for path in paths]
    for folder in published:
        pack = _external(str(folder))
        if pack.name == _ALWAYS:
            raise InvalidPack("name", pack.name, "is the pack every deployment needs; give yours another name")
        packs = [each for each in packs if each.name != pack.name] + [pack]  # a later version of one that is there
    check_together(packs)
    return tuple(packs)


def _external(path: str) -> Pack:
    folder = fetched(path) if "://" in path else Path(path)
    if not folder.is_dir():
        raise InvalidSettings(_SETTING, path, "is no folder; name the folder that holds pack.yaml, or a URI")
    pack, problems = examine(folder)
    refuse(path, problems)
    assert pack is not None  # without a pack there is a problem
    return pack


def check_together(packs: Sequence[Pack]) -> None:
    """Raise InvalidPack where two packs claim the same name for different things."""
    owners: dict[tuple[str, str], str] = {}
    for pack in packs:
        claimed = {"packs": (pack.name,), "intents": tuple(pack.intents), "actions": tuple(pack.actions)}
        for kind, names in claimed.items():
            for name in names:
                if (kind, name) in owners:
                    raise InvalidPack(f"{pack.name}: {kind}", name, f"is in pack {owners[kind, name]} too; rename one")
                owners[kind, name] = pack.name
    for name, pack, other in _clashes(packs):
        remedy = f"is another kind in pack {other.name}; rename it"
        raise InvalidPack(f"{pack.name}: entities.{name}", pack.entities[name].kind, remedy)


def _clashes(packs: Sequence[Pack]) -> Iterator[tuple[str, Pack, Pack]]:
    first: dict[str, Pack] = {}
    for pack in packs:
        for name, entity in pack.entities.items():
            other = first.setdefault(name, pack)
            if other.entities[name].kind != entity.kind:
                yield name, pack, other
