"""Wiring of the nlu service."""

from __future__ import annotations

from functools import partial
from zoneinfo import ZoneInfo

import structlog

from parley.v1 import nlu_pb2, nlu_pb2_grpc, stage_pb2
from services.nlu.artifact import load_models
from services.nlu.engine import NluEngine
from services.nlu.handler import TranscriptHandler
from services.nlu.learning_packs import PackLearner
from services.nlu.servicer import NluServicer
from services.nlu.settings import NluSettings
from services.nlu.training import ensure_served, serves_own_model
from services.nlu.understander import Understander
from shared import topology
from shared.bus.profile import BrokerProfile
from shared.packs import installed_packs
from shared.runtime.metrics import observe_engine
from shared.runtime.service import Service
from shared.settings import KafkaSettings, StorageSettings

log = structlog.get_logger(__name__)


def build(storage: StorageSettings) -> Service:
    """The service, its model not yet loaded; `load` trains it first where there is none."""
    settings = NluSettings.load()
    understander = Understander(
        partial(load_engine, settings, storage),
        max_batch=settings.max_batch,
        max_waiting=settings.max_waiting,
        observe=partial(observe_engine, "nlu"),
    )
    servicer = NluServicer(understander)
    learner = PackLearner(
        BrokerProfile.of(KafkaSettings.load()), storage, own_model=partial(serves_own_model, settings.artifact, storage)
    )
    return Service(
        name="nlu",
        stage=stage_pb2.STAGE_NLU,
        subscriptions=(topology.TRANSCRIPTS,),
        handler=TranscriptHandler(understander),
        lanes=settings.lanes,
        load=understander.load,
        close=understander.close,
        background=[learner],
        grpc_names=(nlu_pb2.DESCRIPTOR.services_by_name["NluService"].full_name,),
        add_servicers=(partial(nlu_pb2_grpc.add_NluServiceServicer_to_server, servicer),),
    )


def load_engine(settings: NluSettings, storage: StorageSettings) -> NluEngine:
    """The engine on the artifact the settings name, else on the packs' own; raises InvalidArtifact."""
    import torch  # heavy, and not needed before

    torch.set_num_threads(settings.threads)
    artifact = ensure_served(settings.artifact, storage)
    log.info("loading model", name=artifact.description.name, version=artifact.version)
    zone = ZoneInfo(settings.time_zone) if settings.time_zone else None
    return NluEngine(installed_packs(), load_models(artifact), zone)
