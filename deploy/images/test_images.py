"""The images, really built and really started: `make images-test` (not part of `make test`: it takes a while and disk).

Debian's buildah builds without an engine or a daemon's privileges; debootstrap makes the base, so no image registry is
needed. Each service's entry point runs in its image as the image's own user, against a broker, until it is ready.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.cli.hosting import SERVICES
from tests.stack import Stack, free_port, new_stack

CHECKOUT = Path(__file__).resolve().parents[2]
DOCKERFILE = CHECKOUT / "deploy" / "images" / "Dockerfile"
BASE = "localhost/parley-base:bookworm"
IMAGES = {target: f"localhost/{target}:test" for target in ("parley", "parley-torch")}
IMAGE_OF = {service: IMAGES["parley-torch" if service == "nlu" else "parley"] for service in SERVICES}
_READY_WITHIN = 300.0  # seconds
_STOPPED_WITHIN = 15.0
_USER = 10001


@pytest.fixture(scope="session")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Buildah]:
    """buildah on a store of its own, which goes when the tests are done."""
    missing = [tool for tool in ("buildah", "debootstrap") if shutil.which(tool) is None]
    assert not missing, f"{missing}: not installed; run `make tools` (Debian: apt-get install buildah debootstrap crun)"
    # Apart from what the system's own buildah keeps, and large: IMAGES_STORE may name a place with room.
    folder = Path(os.environ.get("IMAGES_STORE") or tmp_path_factory.mktemp("images"))
    tool = Buildah(folder)
    yield tool
    tool.run("rm", "--all")
    tool.run("rmi", "--all", "--force")


class Buildah:
    """buildah without an engine: chroot isolation, vfs storage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._global = ["buildah", "--root", str(folder / "root"), "--runroot", str(folder / "runroot")]
        self._environment = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}

    def run(self, *arguments: str, timeout: float = 3600) -> str:
        """One buildah command; AssertionError with its last words where it fails."""
        done = subprocess.run(
            [*self._global, *arguments],
            env=self._environment,
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"buildah {arguments[0]}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout.strip()

    def start(self, container: str, environment: dict[str, str], *command: str) -> subprocess.Popen[bytes]:
        """Run a command in a container, as the user its image names."""
        variables = [f"--env={name}={value}" for name, value in environment.items()]
        log = (self.folder / f"{command[-1]}.log").open("wb")
        return subprocess.Popen(
            [*self._global, "run", "--isolation=chroot", *variables, container, "--", *command],
            env=self._environment,
            stdout=log,
            stderr=log,
        )


@pytest.fixture(scope="session")
def base(buildah: Buildah) -> str:
    """Debian 12, bare: a base that needs no image registry. The build itself adds Debian's own Python 3.11."""
    rootfs = buildah.folder / "rootfs"
    if not rootfs.exists():
        command = ["debootstrap", "--variant=minbase", "bookworm", str(rootfs)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=1800)
    container = buildah.run("from", "scratch")
    buildah.run("copy", "--quiet", container, str(rootfs), "/")
    buildah.run("commit", "--quiet", "--rm", container, BASE)
    return BASE


@pytest.fixture(scope="session")
def images(buildah: Buildah, base: str) -> dict[str, str]:
    """Both targets, built as `make images` builds them."""
    for target, tag in IMAGES.items():
        own = [f"--build-arg=BASE={base}", *_index_of_this_machine(buildah.folder)]
        buildah.run("bud", "--layers", f"--target={target}", f"--tag={tag}", *own, "-f", str(DOCKERFILE), ".")
    return IMAGES


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A broker, and nothing else."""
    stack = new_stack(tmp_path_factory.mktemp("stack") / "data")
    stack.start("broker", "broker")
    stack.wait_until_printed("broker", "broker on")
    yield stack
    stack.stop()


@pytest.mark.timeout(5400)
def test_the_images_run_as_nobody_in_particular(buildah: Buildah, images: dict[str, str]) -> None:
    for image in images.values():
        user = buildah.run("inspect", "--type=image", "--format={{.OCIv1.Config.User}}", image)
        assert user == f"{_USER}:{_USER}"


@pytest.mark.timeout(600)
def test_the_small_image_has_no_torch_and_neither_has_tools_of_development(
    buildah: Buildah, images: dict[str, str]
) -> None:
    container = buildah.run("from", images["parley"])
    found = (
        "import importlib.util as u; print([n for n in ('torch', 'pytest', 'mypy', 'grpc_tools') if u.find_spec(n)])"
    )
    assert buildah.run("run", "--isolation=chroot", container, "--", "python", "-c", found) == "[]"
    buildah.run("rm", container)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_in_its_image_and_stops_when_asked(
    buildah: Buildah, images: dict[str, str], stack: Stack, service: str
) -> None:
    container = buildah.run("from", IMAGE_OF[service])
    port = free_port()
    environment = {
        "PARLEY_KAFKA_BOOTSTRAP_SERVERS": "",
        "PARLEY_KAFKA_EMBEDDED_PORT": str(stack.kafka_port),
        "PARLEY_SERVER_METRICS_PORT": str(port),
        "PARLEY_SERVER_GRPC_PORT": "0",
        "PARLEY_SERVER_HTTP_PORT": "0",
    }
    running = buildah.start(container, environment, "parley", "serve", service)
    try:
        _wait_ready(port, running, buildah.folder / f"{service}.log")
        (process,) = _processes_of(service, port)
        assert Path(f"/proc/{process}").stat().st_uid == _USER
        os.kill(process, signal.SIGTERM)
        assert running.wait(timeout=_STOPPED_WITHIN) == 0
    finally:
        if running.poll() is None:
            running.kill()
            running.wait()
        buildah.run("rm", container)


def _wait_ready(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _READY_WITHIN
    said = ""
    while time.monotonic() < deadline:
        assert running.poll() is None, log.read_text(errors="replace")[-3000:]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return
        except urllib.error.HTTPError as error:
            said = error.read().decode()
        except OSError as error:
            said = str(error)
        time.sleep(0.5)
    raise AssertionError(f"not ready: {said}\n{log.read_text(errors='replace')[-3000:]}")


def _processes_of(service: str, port: int) -> list[int]:
    """The service's own process, found by the port in its environment: `buildah run` stands above it."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().split(b"\0")
            mine = f"PARLEY_SERVER_METRICS_PORT={port}".encode() in (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mine and b"serve" in command and service.encode() in command and command[0].endswith(b"python"):
            found.append(int(folder.name))
    return found


def _index_of_this_machine(folder: Path) -> list[str]:
    """Flags that let the build reach the packages as pip does here: its certificates, and wheels in a folder."""
    flags = []
    bundle = os.environ.get("PIP_CERT", "")
    if bundle and Path(bundle).is_file():
        flags.append(f"--secret=id=ca,src={bundle}")
    wheels = [each for each in os.environ.get("PIP_FIND_LINKS", "").split() if Path(each).is_dir()]
    if wheels:
        config = folder / "pip.conf"
        config.write_text("[install]\nfind-links = " + " ".join(wheels) + "\n", encoding="utf-8")
        flags.append(f"--secret=id=pip,src={config}")
        flags.extend(f"--volume={each}:{each}:ro" for each in wheels)
    return flags
