"""Generation, wired: settings, backend, handler, servicer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from parley.v1 import generation_pb2_grpc, stage_pb2
from services.generation.backend import Backend
from services.generation.engine import Generator
from services.generation.given_up import GivenUp
from services.generation.handler import GenerationHandler
from services.generation.servicer import GenerationServicer
from services.generation.settings import GenerationSettings
from services.generation.templates import TemplateBackend
from shared import topology
from shared.bus.profile import BrokerProfile
from shared.bus.tail import Tail
from shared.packs import installed_packs
from shared.runtime.service import Service
from shared.settings import KafkaSettings, StorageSettings

# How each backend of the settings is made, once the service loads.
BACKENDS: Mapping[str, Callable[[], Backend]] = {"template": lambda: TemplateBackend(installed_packs())}


def build(storage: StorageSettings) -> Service:
    """The generation service; raises InvalidSettings. It keeps nothing in `storage`."""
    settings = GenerationSettings.load()
    generator = Generator(BACKENDS[settings.backend])
    servicer = GenerationServicer(generator)
    given_up = GivenUp()
    tail = Tail(BrokerProfile.of(KafkaSettings.load()), topology.GIVEN_UP, given_up.tell, given_up.forget)
    return Service(
        name="generation",
        stage=stage_pb2.STAGE_GENERATION,
        subscriptions=(topology.DECISIONS, topology.EVIDENCE, topology.TASK_RESULTS),
        handler=GenerationHandler(generator, given_up),
        load=generator.load,
        grpc_names=("parley.v1.GenerationService",),
        add_servicers=[lambda server: generation_pb2_grpc.add_GenerationServiceServicer_to_server(servicer, server)],
        background=[tail],
    )
