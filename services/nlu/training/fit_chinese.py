"""Trains the Chinese reader. Its vectors are computed once; the rest is small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import nn

from services.nlu.corpus import Example
from services.nlu.model.chinese import ChineseReader
from services.nlu.model.reading import Floats

EPOCHS = 20
_BATCH = 64
_RATE, _DECAY = 2e-3, 1e-2
_UNKNOWN, _PADDING, _IGNORED = 1, 0, -100
_LOST_CHARACTERS = 0.08  # share read as unknown, so that characters of no template are nothing new
_HIDDEN_MEANING, _HIDDEN_CHARACTERS = 0.1, 0.3  # shares of the examples for which the intent must do without
_VECTOR_CHUNK = 32
_VECTOR_SHARE = 0.6  # of the time, as told to `progress`


def fit(reader: ChineseReader, examples: Sequence[Example], progress: Callable[[float], None], seed: int) -> None:
    """Train `reader` in place; `progress` gets the share done, 0 to 1."""
    generator = torch.Generator().manual_seed(seed)
    model, labels = reader.model, reader.labels
    _initialise(model, generator)
    texts = [example.text for example in examples]
    vectors = torch.from_numpy(_vectors(reader, texts, progress))
    model.mean.copy_(vectors.mean(0))
    model.scale.copy_(vectors.std(0) + 1e-6)
    characters = reader.characters(texts)
    intents = torch.tensor([labels.intents.index(example.intent) for example in examples])
    tags = torch.full_like(characters, _IGNORED)
    for index, example in enumerate(examples):
        pieces = [(place, place + 1) for place in range(len(example.text))][: tags.shape[1]]
        tags[index, : len(pieces)] = torch.tensor(labels.tag_pieces(pieces, example.slots))
    optimizer = torch.optim.AdamW(model.parameters(), lr=_RATE, weight_decay=_DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS)
    loss_of = nn.CrossEntropyLoss(ignore_index=_IGNORED)
    model.train()
    for epoch in range(EPOCHS):
        for batch in _batches(len(examples), generator):
            length = int((characters[batch] != _PADDING).sum(1).max())
            rows = characters[batch, :length]
            lost = (torch.rand(rows.shape, generator=generator) < _LOST_CHARACTERS) & (rows != _PADDING)
            chance = torch.rand(len(batch), generator=generator)
            hide_meaning = chance < _HIDDEN_MEANING
            hide_characters = chance > 1 - _HIDDEN_CHARACTERS
            keep = torch.stack([~hide_meaning, ~hide_characters], dim=1).float()
            intent_logits, tag_logits = model(rows.masked_fill(lost, _UNKNOWN), vectors[batch], keep)
            loss = loss_of(intent_logits, intents[batch])
            loss = loss + loss_of(tag_logits.flatten(0, 1), tags[batch, :length].flatten())
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        schedule.step()
        progress(_VECTOR_SHARE + (1 - _VECTOR_SHARE) * (epoch + 1) / EPOCHS)
    model.eval()


def _batches(examples: int, generator: torch.Generator) -> Iterator[torch.Tensor]:
    order = torch.randperm(examples, generator=generator)
    return (order[start : start + _BATCH] for start in range(0, examples, _BATCH))


def _vectors(reader: ChineseReader, texts: Sequence[str], progress: Callable[[float], None]) -> Floats:
    chunks = []
    for start in range(0, len(texts), _VECTOR_CHUNK):
        chunks.append(reader.vectors(texts[start : start + _VECTOR_CHUNK]))
        progress(_VECTOR_SHARE * min(1.0, (start + _VECTOR_CHUNK) / len(texts)))
    return np.concatenate(chunks)


def _initialise(model: nn.Module, generator: torch.Generator) -> None:
    """Weights drawn from `generator` alone, whatever else draws in this process."""
    for parameter in model.parameters():
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
            with torch.no_grad():
                parameter.normal_(0.0, fan_in**-0.5, generator=generator)
