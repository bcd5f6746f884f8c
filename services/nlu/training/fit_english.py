"""Fine-tunes the English reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import nn

from services.nlu.corpus import Example
from services.nlu.model.english import EnglishReader, pad

EPOCHS = 5
_BATCH = 32
_ENCODER_RATE, _HEAD_RATE = 1e-4, 2e-3
_WARM_UP = 0.1  # share of the steps
_IGNORED = -100


def fit(reader: EnglishReader, examples: Sequence[Example], progress: Callable[[float], None], seed: int) -> None:
    """Train `reader` in place; `progress` gets the share done, 0 to 1."""
    torch.manual_seed(seed)
    model = reader.model
    model.freeze_lower_layers()
    model.train()
    encodings = reader.tokenizer.encode_batch([example.text for example in examples])
    ids = [encoding.ids for encoding in encodings]
    intents = torch.tensor([reader.labels.intents.index(example.intent) for example in examples])
    tags = [
        [tag if start < end else _IGNORED for tag, (start, end) in zip(row, encoding.offsets, strict=True)]
        for encoding, row in (
            (encoding, reader.labels.tag_pieces(encoding.offsets, example.slots))
            for encoding, example in zip(encodings, examples, strict=True)
        )
    ]
    heads = [*model.intent_head.parameters(), *model.slot_head.parameters()]
    body = [parameter for parameter in model.encoder.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW([{"params": body, "lr": _ENCODER_RATE}, {"params": heads, "lr": _HEAD_RATE}])
    steps = EPOCHS * -(-len(examples) // _BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (_WARM_UP * steps), (steps - step) / (steps * (1 - _WARM_UP)))
    )
    loss_of = nn.CrossEntropyLoss(ignore_index=_IGNORED)
    generator = torch.Generator().manual_seed(seed)
    for step, batch in enumerate(_batches([len(row) for row in ids], generator), start=1):
        rows, mask = pad([ids[i] for i in batch])
        wanted = torch.full_like(rows, _IGNORED)
        for place, index in enumerate(batch):
            wanted[place, : len(tags[index])] = torch.tensor(tags[index])
        intent_logits, tag_logits = model(rows, mask)
        loss = loss_of(intent_logits, intents[batch]) + loss_of(tag_logits.flatten(0, 1), wanted.flatten())
        loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        progress(step / steps)
    model.eval()


def _batches(lengths: Sequence[int], generator: torch.Generator) -> Iterator[list[int]]:
    """Batches of texts of like length, in random order, for every epoch."""
    for _ in range(EPOCHS):
        noise = torch.rand(len(lengths), generator=generator).tolist()
        order = sorted(range(len(lengths)), key=lambda i: lengths[i] + 3 * noise[i])
        batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]
