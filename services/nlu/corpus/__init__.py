"""The sentences the models learn from: written as templates in the packs, sampled into labelled examples."""

from services.nlu.corpus.examples import Example, SlotSpan, sample
from services.nlu.corpus.sentences import LANGUAGES, OUT_OF_SCOPE, Sentences, Template, read_sentences

__all__ = [
    "LANGUAGES", "OUT_OF_SCOPE", "Example", "Sentences", "SlotSpan", "Template", "read_sentences", "sample",
]  # fmt: skip
