"""Trains the model of the deployment's packs where there is none yet, and prints its version."""

from __future__ import annotations

import sys

from services.nlu.training.ensure import ensure_model
from shared.runtime import logs
from shared.settings import LogSettings, StorageSettings

if __name__ == "__main__":
    logs.configure(LogSettings(level="warning"))
    sys.stdout.write(f"{ensure_model(StorageSettings.load()).version}\n")
