"""Training on first run: samples the corpus, fits both readers, calibrates and measures them, seals the artifact."""

from services.nlu.training.ensure import ensure_model, model_version

__all__ = ["ensure_model", "model_version"]
