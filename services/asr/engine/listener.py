"""The engine as Kafka and gRPC see it: claim checks fetched, recordings heard, one recogniser for all who wait."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from parley.v1 import asr_pb2
from parley.v1.asr_pb2 import TranscriptOutcome
from services.asr.engine.interface import SAMPLE_RATE, AsrEngine, Clip, Expected, Recognition, Samples
from services.asr.engine.transcriber import Hearing, Transcribed, Transcriber
from shared.blobs import BlobStore
from shared.errors import BlobTooLarge, InvalidBlob, PermanentError, Unavailable
from shared.runtime.batcher import Batcher, Timed


class Listener:
    """Loads a recogniser, then hears what it is given from any number of threads."""

    def __init__(
        self,
        load_engine: Callable[[], AsrEngine],
        blobs: BlobStore,
        hearing: Hearing,
        *,
        workers: int = 1,
        max_waiting: int = 64,
        observe: Callable[[int, float], None] | None = None,
    ) -> None:
        self._load_engine = load_engine
        self._blobs = blobs
        self._hearing = hearing
        self._workers = workers
        self._max_waiting = max_waiting
        self._observe = observe
        self._batcher: Batcher[Clip, Recognition] | None = None
        self._transcriber: Transcriber | None = None

    def load(self) -> None:
        """Load and warm the recogniser. Raises InvalidSettings, InvalidArtifact."""
        engine = self._load_engine()
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="asr")

        def recognise(clips: Sequence[Clip]) -> list[Recognition | Exception]:
            return list(pool.map(lambda clip: _recognise(engine, clip), clips))

        # A batch is what the workers do at the same time: nobody waits for a clip that is longer than their own.
        batcher = Batcher(
            recognise, name="asr", max_batch=self._workers, max_waiting=self._max_waiting, observe=self._observe
        )
        self._batcher = batcher
        self._transcriber = Transcriber(engine.capabilities, lambda clip: _submit(batcher, clip), self._hearing)
        quiet = Clip(_second_of_silence(), "" if engine.capabilities.multilingual else "en")
        batcher.submit(quiet)

    def close(self) -> None:
        """Finish what is waiting."""
        if self._batcher is not None:
            self._batcher.close()

    @property
    def version(self) -> str:
        """Version of the model that answers; raises Unavailable before it is loaded."""
        return self._ready().capabilities.version

    def transcribe(self, audio: asr_pb2.Audio, locale: str = "", expected: Expected | None = None) -> Transcribed:
        """Hear `audio`, wherever its bytes are, with what is expected of it.

        Raises Overloaded, Unavailable; all else is an outcome.
        """
        transcriber = self._ready()
        if audio.WhichOneof("source") == "data":
            return transcriber.transcribe(audio.data, locale, expected)
        try:
            data = self._blobs.get(audio.claim_check)
        except BlobTooLarge as error:
            return _unread(TranscriptOutcome.TRANSCRIPT_OUTCOME_TOO_LONG, error)
        except InvalidBlob as error:
            return _unread(TranscriptOutcome.TRANSCRIPT_OUTCOME_UNREADABLE, error)
        return transcriber.transcribe(data, locale, expected)

    def keep(self, audio: asr_pb2.Audio) -> None:
        """Replace the bytes in `audio` by a claim check; the same bytes always by the same one."""
        if audio.WhichOneof("source") == "data":
            audio.claim_check.CopyFrom(self._blobs.put(audio.data))

    def _ready(self) -> Transcriber:
        if self._transcriber is None:
            raise Unavailable("asr: the model is being loaded; try again in a few seconds")
        return self._transcriber


def _recognise(engine: AsrEngine, clip: Clip) -> Recognition | Exception:
    try:
        return engine.recognise(clip)
    except RuntimeError as error:  # what CTranslate2 and torch raise; the other clips of the batch are sound
        return PermanentError(f"asr: {len(clip.samples) / SAMPLE_RATE:.1f} s of audio could not be decoded: {error}")


def _submit(batcher: Batcher[Clip, Recognition], clip: Clip) -> Timed[Recognition]:
    try:
        return batcher.submit(clip)
    except TimeoutError as error:
        raise Unavailable("asr: the recogniser did not answer in time; try again") from error


def _unread(outcome: TranscriptOutcome.ValueType, error: InvalidBlob) -> Transcribed:
    return Transcribed(asr_pb2.Transcript(outcome=outcome, detail=f"audio.{error}"), 0.0)


def _second_of_silence() -> Samples:
    return np.zeros(SAMPLE_RATE, np.float32)
