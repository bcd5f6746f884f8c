"""Commands that run things: up, serve, broker, demo, doctor."""

from __future__ import annotations

from typing import Annotated

import typer

from services.cli.output import console, errors_shown
from shared.errors import InvalidInput, Unavailable
from shared.settings import KafkaSettings, LogSettings, ServerSettings, StorageSettings

_READY_WITHIN = 600.0  # seconds; the first start trains the model


def register(app: typer.Typer) -> None:
    """Add the commands to `parley`."""
    app.command()(up)
    app.command()(serve)
    app.command("broker")(run_broker)
    app.command()(demo)
    app.command()(doctor)


def up() -> None:
    """Run everything in this process: the embedded broker (unless one is set), every service, the gateway."""
    with errors_shown():
        from services.cli.hosting import SERVICES, broker, leave, prepare, run
        from shared.runtime import logs

        logs.configure(LogSettings.load())
        storage = StorageSettings.load()
        prepare(SERVICES, storage)
        with broker(KafkaSettings.load(), storage):
            run(SERVICES, storage, _say_where)
        leave()


def serve(names: Annotated[list[str], typer.Argument(help="Services to host, for example: asr nlu")]) -> None:
    """Run some services in this process; the broker runs elsewhere (`parley broker`, `parley up` or Kafka)."""
    with errors_shown():
        from services.cli.hosting import leave, run
        from shared.runtime import logs

        logs.configure(LogSettings.load())
        if len(set(names)) != len(names):
            raise InvalidInput("NAMES", names, "names a service twice; name each once")
        run(names, StorageSettings.load(), lambda: console.print(f"ready: {', '.join(names)}"))
        leave()


def run_broker() -> None:
    """Run the embedded broker alone, for services that run in processes of their own."""
    with errors_shown():
        from services.cli.hosting import broker, wait_for_signal
        from shared.bus.profile import BrokerProfile
        from shared.bus.topics import ensure_topics
        from shared.runtime import logs

        logs.configure(LogSettings.load())
        kafka = KafkaSettings.load()
        if kafka.bootstrap_servers:
            raise InvalidInput(
                "PARLEY_KAFKA_BOOTSTRAP_SERVERS", kafka.bootstrap_servers, "is set, so there is none to run; unset it"
            )
        with broker(kafka, StorageSettings.load()):
            ensure_topics(BrokerProfile.of(kafka), kafka)
            console.print(f"broker on 127.0.0.1:{kafka.embedded_port}")
            wait_for_signal()


def demo(
    once: Annotated[bool, typer.Option(help="Stop after the demonstration")] = False,
) -> None:
    """Start everything, send a recorded command down the road and show each stage; then stay up to talk to."""
    with errors_shown():
        from services.cli.demonstration import demonstrate
        from services.cli.hosting import SERVICES, broker, hosted, leave, prepare, wait_for_signal
        from shared.runtime import logs

        settings = LogSettings.load()
        logs.configure(settings if "level" in settings.model_fields_set else LogSettings(level="warning"))
        storage = StorageSettings.load()
        prepare(SERVICES, storage)
        with broker(KafkaSettings.load(), storage), hosted(SERVICES, storage=storage) as host:
            with console.status("starting the services"):
                ready = host.wait_ready(_READY_WITHIN)
            if not ready:
                raise Unavailable(f"services: not ready: {host.readiness()}")
            demonstrate()
            if not once:
                _say_where()
                wait_for_signal()
        leave()


def doctor() -> None:
    """Check settings, ports, broker, models and disk, and say what to do."""
    with errors_shown():
        from services.cli.doctor import examine

        if not examine():
            raise typer.Exit(1)


def _say_where() -> None:
    server = ServerSettings.load()
    console.print(
        f"\nParley is up.  console http://{server.host}:{server.http_port}/   API http://{server.host}:"
        f"{server.http_port}/docs   gRPC {server.host}:{server.grpc_port}   metrics http://{server.host}:"
        f'{server.metrics_port}/metrics\nIn another terminal: .venv/bin/parley say "turn on the kitchen light"   '
        "(Ctrl-C here stops everything)",
        markup=False,
        soft_wrap=True,
    )
