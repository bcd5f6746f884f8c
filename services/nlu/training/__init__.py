"""Training on first run: samples the corpus, fits both readers, calibrates and measures them, seals the artifact."""

from services.nlu.training.ensure import ensure_model, ensure_served, model_version, serves_own_model

__all__ = ["ensure_model", "ensure_served", "model_version", "serves_own_model"]
