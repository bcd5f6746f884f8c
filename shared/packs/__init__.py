"""Domain packs: what a deployment can talk about, as data.

A pack is a folder: `pack.yaml` (intents, slots, entities, actions, devices), `sentences/<language>.yaml` (training
sentences, read by nlu), `replies/<language>.yaml` (templates, read by generation) and `documents/<language>/*.md`
(read by knowledge).
"""

from shared.packs.installed import installed_packs
from shared.packs.loader import bundled_packs, load_pack
from shared.packs.model import Action, Device, EntityType, EntityValue, Intent, Listening, Pack, SlotUse

__all__ = [
    "Action", "Device", "EntityType", "EntityValue", "Intent", "Listening", "Pack", "SlotUse", "bundled_packs",
    "installed_packs", "load_pack",
]  # fmt: skip
