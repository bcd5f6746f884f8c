"""The trained language model, one for every test: it lies in the common data folder and is trained once a machine."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from parley.v1 import nlu_pb2
from services.nlu.engine import NluEngine, Request
from services.nlu.service import load_engine
from services.nlu.settings import NluSettings
from shared.settings import StorageSettings

TRAINING_TIMEOUT = 900  # seconds; for the test that happens to train
SUNDAY_HALF_PAST_FIVE = datetime(2026, 11, 22, 17, 30).astimezone()


@cache
def engine() -> NluEngine:
    """The engine on the model of the bundled packs."""
    return load_engine(NluSettings.load(), StorageSettings.load())


def understand(*texts: str, locale: str = "") -> list[nlu_pb2.Understanding]:
    """What the engine makes of `texts`, said on a Sunday at half past five in the afternoon."""
    return engine().understand_batch([Request(text, locale, SUNDAY_HALF_PAST_FIVE) for text in texts])


def named(understanding: nlu_pb2.Understanding) -> dict[str, str]:
    """The values of the slots by name."""
    return {slot.name: slot.value for slot in understanding.slots}
