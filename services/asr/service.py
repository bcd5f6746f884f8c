"""Wiring of the asr service."""

from __future__ import annotations

from functools import partial

import structlog

from parley.v1 import asr_pb2, asr_pb2_grpc, stage_pb2
from services.asr.contexts import Contexts
from services.asr.engine import weights
from services.asr.engine.interface import AsrEngine
from services.asr.engine.judgement import Limits
from services.asr.engine.listener import Listener
from services.asr.engine.transcriber import Hearing
from services.asr.expecting import Expecting
from services.asr.handler import UtteranceHandler
from services.asr.servicer import AsrServicer
from services.asr.settings import AsrSettings
from shared import topology
from shared.blobs import BlobStore
from shared.bus.profile import BrokerProfile
from shared.bus.tail import Tail
from shared.packs import installed_packs
from shared.principals import PrincipalSeal
from shared.runtime.metrics import observe_engine
from shared.runtime.service import Service
from shared.settings import KafkaSettings, StorageSettings

log = structlog.get_logger(__name__)


def build(storage: StorageSettings) -> Service:
    """The service, its model not yet loaded."""
    settings = AsrSettings.load()
    listener = build_listener(settings, BlobStore.load(storage))
    kafka = KafkaSettings.load()
    contexts = Contexts(settings.most_contexts)
    expecting = Expecting(installed_packs(), contexts) if settings.context else None
    tail = Tail(BrokerProfile.of(kafka), topology.CONTEXTS, contexts.tell, contexts.forget)
    servicer = AsrServicer(listener, expecting)
    return Service(
        name="asr",
        stage=stage_pb2.STAGE_ASR,
        subscriptions=(topology.UTTERANCES,),
        handler=UtteranceHandler(listener, expecting, PrincipalSeal.load(storage, kafka)),
        reads_everything=True,
        lanes=settings.lanes,
        load=partial(_load, listener, expecting),
        close=listener.close,
        grpc_names=(asr_pb2.DESCRIPTOR.services_by_name["AsrService"].full_name,),
        add_servicers=(partial(asr_pb2_grpc.add_AsrServiceServicer_to_server, servicer),),
        background=[tail] if expecting is not None else [],
    )


def _load(listener: Listener, expecting: Expecting | None) -> None:
    listener.load()
    if expecting is not None:
        expecting.load()


def build_listener(settings: AsrSettings, blobs: BlobStore) -> Listener:
    """The engine the settings ask for."""
    limits = Limits(
        no_speech_probability=settings.no_speech_probability,
        least_log_probability=settings.least_log_probability,
        most_compression=settings.most_compression,
    )
    hearing = Hearing(
        max_bytes=settings.max_audio_bytes,
        max_seconds=settings.max_audio_seconds,
        silence_dbfs=settings.silence_dbfs,
        least_speech_seconds=settings.least_speech_seconds,
        limits=limits,
    )
    return Listener(
        partial(load_engine, settings),
        blobs,
        hearing,
        workers=settings.workers,
        max_waiting=settings.max_waiting,
        observe=partial(observe_engine, "asr"),
    )


def load_engine(settings: AsrSettings) -> AsrEngine:
    """Load the recogniser; raises InvalidSettings or InvalidArtifact."""
    if settings.backend == "transformers":
        from services.asr.engine.transformers_engine import TransformersEngine  # torch, only where it is asked for

        folder, name = weights.checkpoint_folder(settings.model)
        version = weights.version_of(folder, name)
        log.info("loading model", backend=settings.backend, version=version)
        return TransformersEngine(folder, version, beam_size=settings.beam_size, device=settings.device)
    from services.asr.engine.faster_whisper_engine import Decoding, FasterWhisperEngine

    folder, name = weights.ctranslate2_folder(settings.model)
    version = weights.version_of(folder, name)
    log.info("loading model", backend=settings.backend, version=version)
    decoding = Decoding(
        beam_size=settings.beam_size,
        threads=settings.threads_per_worker,
        workers=settings.workers,
        compute_type=settings.compute_type,
        device=settings.device,
    )
    return FasterWhisperEngine(folder, version, decoding)
