"""Commands that have packs served by event: domains publish, domains withdraw, domains published."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from google.protobuf.message import Message
from rich.table import Table

from parley.v1 import packs_pb2
from services.cli.output import console, errors_shown, out
from shared.bus.codec import Codecs
from shared.bus.envelope import encode
from shared.bus.producer import Producer
from shared.bus.profile import BrokerProfile
from shared.bus.tail import Tail
from shared.errors import InvalidInput, Unavailable
from shared.events import Outgoing
from shared.packs.checking import examine
from shared.packs.problems import refuse
from shared.packs.published import archived
from shared.settings import KafkaSettings
from shared.topology import PACKS

_READ_WITHIN = 15.0  # seconds
_LOOK_EVERY = 0.3
Wait = Annotated[float, typer.Option(min=0, help="Seconds to wait until it is served; 0: do not wait")]


def register(app: typer.Typer) -> None:
    """Add the commands to `parley domains`."""
    app.command("publish")(publish)
    app.command("withdraw")(withdraw)
    app.command("published")(published)


def publish(
    folder: Annotated[Path, typer.Argument(help="The folder that holds pack.yaml")],
    wait: Wait = 900.0,
) -> None:
    """Have a pack served without a restart by hand: nlu learns it first, then every service changes over."""
    with errors_shown():
        pack, problems = examine(folder)
        refuse(folder, problems)
        assert pack is not None  # without a pack there is a problem
        event = archived(pack)
        with _state() as state:
            there = state.published.get(pack.name)
            if there is not None and there.version == pack.version and there.digest != pack.digest:
                remedy = "is published with other content; a version never changes: give pack.yaml a higher one"
                raise InvalidInput(f"{folder}: version", pack.version, remedy)
            _send(pack.name, packs_pb2.PackState(published=event))
            out.print(f"published {pack.name} {pack.version} {pack.digest[:12]}", markup=False)
            _follow(state, wait, lambda: event.pack in state.active, pack.digest)


def withdraw(name: Annotated[str, typer.Argument(help="Name of a published pack")], wait: Wait = 900.0) -> None:
    """Take a published pack away again; a bundled one of its name is served in its place."""
    with errors_shown(), _state() as state:
        if name not in state.published:
            known = ", ".join(sorted(state.published)) or "none"
            raise InvalidInput("NAME", name, f"is not published; published are: {known}")
        _send(name, packs_pb2.PackState(withdrawn=state.published[name]))
        out.print(f"withdrawn {name}", markup=False)
        _follow(state, wait, lambda: name not in {ref.name for ref in state.active}, "")


def published() -> None:
    """List the packs that came by event, and how they stand."""
    with errors_shown(), _state() as state:
        table = Table("name", "version", "digest", "")
        for ref in sorted(state.published.values(), key=lambda ref: ref.name):
            how = "served" if ref in state.active else state.refused.get(ref.digest) or "waits for nlu to learn it"
            table.add_row(ref.name, ref.version, ref.digest[:12], how)
        out.print(table)


class _State:
    """What `parley.packs` says."""

    def __init__(self) -> None:
        self.published: dict[str, packs_pb2.PackRef] = {}
        self.active: list[packs_pb2.PackRef] = []
        self.refused: dict[str, str] = {}  # digest -> reason

    def tell(self, _: str, body: Message) -> None:
        assert isinstance(body, packs_pb2.PackState)
        if body.HasField("published"):
            self.published[body.published.pack.name] = body.published.pack
        elif body.HasField("active"):
            self.active = list(body.active.packs)
        elif body.HasField("withdrawn"):
            self.published.pop(body.withdrawn.name, None)
        else:
            self.refused[body.refused.pack.digest] = body.refused.reason


@contextmanager
def _state() -> Iterator[_State]:
    """The topic as it is, followed while the block runs; raises Unavailable where it cannot be read."""
    state = _State()
    profile = BrokerProfile.of(KafkaSettings.load())
    tail = Tail(profile, PACKS, state.tell, lambda _: None)
    tail.start()
    try:
        if not tail.caught_up.wait(_READ_WITHIN):
            where = ", ".join(profile.bootstrap_servers)
            raise Unavailable(f"kafka.bootstrap_servers: {PACKS} cannot be read at {where}; start `parley up`")
        yield state
    finally:
        tail.stop()


def _send(key: str, state: packs_pb2.PackState) -> None:
    producer = Producer(BrokerProfile.of(KafkaSettings.load()))
    cause = str(uuid.uuid4())
    producer.send([encode(Outgoing(PACKS, key, state), source="cli", cause_id=cause, inherited={}, codecs=Codecs())])
    producer.close()


def _follow(state: _State, wait: float, done: Callable[[], bool], digest: str) -> None:
    """Wait until it is done; raises InvalidInput where nlu refuses it, and Unavailable where time runs out."""
    if not wait:
        return
    deadline = time.monotonic() + wait
    with console.status("nlu learns it; the packs before are served meanwhile"):
        while not done():
            if digest in state.refused:
                raise InvalidInput("FOLDER", digest[:12], f"is refused: {state.refused[digest]}")
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"packs: not served within {wait:.0f} s; `parley domains published` tells how it stands"
                )
            time.sleep(_LOOK_EVERY)
    out.print("every service changes over to it now", markup=False)
