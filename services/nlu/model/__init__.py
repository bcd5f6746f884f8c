"""The neural readers: one for each language, both giving intents with probabilities and tagged spans."""

from services.nlu.model.labels import Labels
from services.nlu.model.reading import Reader, Reading, TaggedSpan

__all__ = ["Labels", "Reader", "Reading", "TaggedSpan"]
