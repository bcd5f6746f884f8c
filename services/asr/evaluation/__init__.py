"""How well recordings with known words are heard: `manifest` reads them, `spelling` compares, `evaluate` measures."""

from services.asr.evaluation.evaluate import Evaluation, evaluate
from services.asr.evaluation.manifest import Recording, read_manifest

__all__ = ["Evaluation", "Recording", "evaluate", "read_manifest"]
