"""Our speech recognition beside bare faster-whisper on the same clips, in the same process."""

from __future__ import annotations

import io
import json
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import soundfile
from faster_whisper import WhisperModel

from parley.v1 import asr_pb2
from services.asr.engine import weights
from services.asr.engine.listener import Listener
from services.asr.service import build_listener
from services.asr.settings import AsrSettings
from shared.blobs import BlobStore
from shared.settings import StorageSettings
from tests.benchmarks.figures import Figure

_SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "speech"
_OWN = Path(__file__).resolve().parents[1] / "audio"
_ROUNDS = 3


def clips() -> list[bytes]:
    """Real home commands and read speech where the shared data is at hand, else the project's own clips."""
    manifest = _SHARED / "manifest.jsonl"
    if not manifest.is_file():
        return [file.read_bytes() for file in sorted(_OWN.glob("*.flac"))]
    rows = [json.loads(line) for line in manifest.read_text(encoding="utf-8").splitlines()]
    chosen = [row for row in rows if row["set"] in ("rhasspy_commands", "pocketsphinx_librivox")]
    return [(_SHARED / row["audio"]).read_bytes() for row in chosen]


def measure() -> list[Figure]:
    """Seconds for all clips: the engine with everything it checks, and the model alone with the same beam."""
    audio = clips()
    settings = AsrSettings.load()
    with tempfile.TemporaryDirectory(prefix="parley-bench-") as folder:
        listener = build_listener(settings, BlobStore.load(StorageSettings(data_dir=Path(folder))))
        listener.load()
        calls = (partial(_ours, listener), partial(_bare, _bare_model(settings), settings.beam_size))
        times: tuple[list[float], list[float]] = ([], [])
        for call in calls:
            call(audio[0])
        for _ in range(_ROUNDS):
            for kept, call in zip(times, calls, strict=True):
                started = time.perf_counter()
                for clip in audio:
                    call(clip)
                kept.append(time.perf_counter() - started)
        listener.close()
    ours, bare = (statistics.median(kept) for kept in times)
    seconds = sum(_length(clip) for clip in audio)
    return [
        Figure(f"asr, {len(audio)} clips", ours, "s", bare=bare),
        Figure("asr, real-time factor", ours / seconds, "x", bare=bare / seconds),
    ]


def _ours(listener: Listener, clip: bytes) -> None:
    listener.transcribe(asr_pb2.Audio(data=clip), "en")


def _bare_model(settings: AsrSettings) -> WhisperModel:
    folder, _ = weights.ctranslate2_folder(settings.model)
    return WhisperModel(
        str(folder), device="cpu", compute_type=settings.compute_type, cpu_threads=settings.threads_per_worker
    )


def _bare(model: WhisperModel, beam_size: int, clip: bytes) -> None:
    """The library as it comes, asked for what a transcript holds: words with their times."""
    segments, _ = model.transcribe(io.BytesIO(clip), language="en", beam_size=beam_size, word_timestamps=True)
    list(segments)


def _length(clip: bytes) -> float:
    with soundfile.SoundFile(io.BytesIO(clip)) as file:
        return float(len(file)) / float(file.samplerate)
