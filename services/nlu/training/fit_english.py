"""Fine-tunes the English reader."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from services.nlu.corpus import Example
from services.nlu.model.english import EnglishReader, JointEncoder, pad
from services.nlu.training.device import CPU, computes_in_half
from services.nlu.training.recipe import PACKS, Recipe

if TYPE_CHECKING:
    from peft import PeftModel
    from transformers import BertModel

_IGNORED = -100
_HEAD_SCALE = 12.0  # of centroid logits: the spread that a trained head has about it
_READ_AT_ONCE = 64
_LAYER = re.compile(r"\.layer\.(?P<number>\d+)\.")


def fit(
    reader: EnglishReader,
    examples: Sequence[Example],
    progress: Callable[[float], None],
    seed: int,
    recipe: Recipe = PACKS,
    device: torch.device = CPU,
) -> None:
    """Train `reader` in place, on `device`; afterwards its model is on the processor again, to be read.

    `progress` gets the share done, 0 to 1. An example without intent teaches slots alone.
    """
    torch.manual_seed(seed)
    model = reader.model.to(device)
    model.freeze_lower_layers(recipe.frozen_layers)
    ids, tags = _encode(reader, examples)
    intents = torch.tensor(
        [reader.labels.intents.index(each.intent) if each.intent else _IGNORED for each in examples], device=device
    )
    if recipe.centroids:
        _begin_at_centroids(model, ids, intents)
    adapted = _add_adapters(model, seed) if recipe.adapters else None
    _run(reader, ids, tags, intents, recipe, seed, progress)
    if adapted is not None:
        model.encoder = cast("BertModel", adapted.merge_and_unload())
    model.to(CPU).eval()


def _run(
    reader: EnglishReader,
    ids: Sequence[list[int]],
    tags: Sequence[list[int]],
    intents: Tensor,
    recipe: Recipe,
    seed: int,
    progress: Callable[[float], None],
) -> None:
    """Train the reader's model from the weights it has."""
    model = reader.model
    model.train()
    optimizer = torch.optim.AdamW(_groups(model, recipe), weight_decay=0.01, fused=True)
    steps = recipe.epochs * -(-len(ids) // recipe.batch)
    warm = recipe.warm_up
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / (warm * steps), (steps - step) / (steps * (1 - warm)))
    )
    mean = _Mean(model, recipe.average) if recipe.average else None
    generator = torch.Generator().manual_seed(seed)
    lengths = [len(row) for row in ids]
    device = intents.device
    half = recipe.half and computes_in_half(device)
    for step, batch in enumerate(_batches(lengths, recipe, generator), start=1):
        rows, mask = pad([ids[i] for i in batch])
        wanted = torch.full_like(rows, _IGNORED)
        for place, index in enumerate(batch):
            wanted[place, : len(tags[index])] = torch.tensor(tags[index])
        rows, mask, wanted = rows.to(device), mask.to(device), wanted.to(device)

        def learn(
            rows: Tensor = rows, mask: Tensor = mask, intents: Tensor = intents[batch], wanted: Tensor = wanted
        ) -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                intent_logits, tag_logits = model(rows, mask)
            loss = _loss(intent_logits.float(), intents, recipe.smoothing)
            if reader.labels.slots:
                loss = loss + _loss(tag_logits.float().flatten(0, 1), wanted.flatten(), 0.0)
            torch.autograd.backward(loss)

        learn()
        if recipe.adversarial:
            with _against(model.encoder.embeddings.word_embeddings.weight, recipe.adversarial):
                learn()
        if recipe.clip:
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if mean is not None:
            mean.take(step)
        progress(step / steps)
    if mean is not None:
        mean.give()


@contextmanager
def _against(embeddings: Tensor, distance: float) -> Iterator[None]:
    """Within the block, `embeddings` stand `distance` further to where the loss of their gradient grows.

    The fast gradient method of Miyato, Dai and Goodfellow, "Adversarial Training Methods for Semi-Supervised Text
    Classification" (2017); the gradients of both passes add up.
    """
    assert embeddings.grad is not None
    moved = embeddings.grad * (distance / (embeddings.grad.norm() + 1e-12))
    embeddings.data.add_(moved)
    yield
    embeddings.data.sub_(moved)


class _Mean:
    """The exponential mean of the weights that learn."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._decay = decay
        self._learning = [weight for weight in model.parameters() if weight.requires_grad]
        self._means = [weight.detach().clone() for weight in self._learning]

    @torch.no_grad()
    def take(self, step: int) -> None:
        decay = min(self._decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(self._means, self._learning, step)  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def give(self) -> None:
        for weight, mean in zip(self._learning, self._means, strict=True):
            weight.copy_(mean)


def _encode(reader: EnglishReader, examples: Sequence[Example]) -> tuple[list[list[int]], list[list[int]]]:
    """Token ids and tags of every example."""
    encodings = reader.tokenizer.encode_batch([example.text for example in examples])
    tags = [
        [tag if start < end else _IGNORED for tag, (start, end) in zip(row, encoding.offsets, strict=True)]
        for encoding, row in (
            (encoding, reader.labels.tag_pieces(encoding.offsets, example.slots))
            for encoding, example in zip(encodings, examples, strict=True)
        )
    ]
    return [encoding.ids for encoding in encodings], tags


def _loss(logits: Tensor, wanted: Tensor, smoothing: float) -> Tensor:
    if bool((wanted == _IGNORED).all()):
        return logits.sum() * 0.0
    return nn.functional.cross_entropy(logits, wanted, ignore_index=_IGNORED, label_smoothing=smoothing)


@torch.no_grad()
def _begin_at_centroids(model: JointEncoder, ids: Sequence[Sequence[int]], intents: Tensor) -> None:
    """Set the intent head to the nearest-centroid classifier over the base model's sentence vectors."""
    model.eval()
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    vectors = torch.zeros(len(ids), model.intent_head.in_features, device=intents.device)
    for start in range(0, len(order), _READ_AT_ONCE):
        batch = order[start : start + _READ_AT_ONCE]
        rows, mask = pad([ids[index] for index in batch])
        vectors[batch] = model.pool(rows.to(intents.device), mask.to(intents.device))
    overall = vectors.mean(0)
    for intent in range(len(model.intent_head.bias)):
        mine = vectors[intents == intent]
        if len(mine):
            model.intent_head.weight[intent] = nn.functional.normalize(mine.mean(0) - overall, dim=0)
    scale = _HEAD_SCALE / (vectors - overall).norm(dim=1).mean()
    model.intent_head.weight *= scale
    model.intent_head.bias.copy_(-model.intent_head.weight @ overall)


def _add_adapters(model: JointEncoder, seed: int) -> PeftModel:
    """LoRA (Hu et al., 2021) on every linear map of the encoder; all else of it is frozen."""
    from peft import LoraConfig, get_peft_model  # heavy, and needed by this method alone

    torch.manual_seed(seed)
    config = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.05, target_modules=["query", "key", "value", "dense"])
    adapted = cast("PeftModel", get_peft_model(model.encoder, config))
    model.encoder = cast("BertModel", adapted)
    return adapted


def _groups(model: JointEncoder, recipe: Recipe) -> list[dict[str, Any]]:
    """Parameter groups with their rates: the heads, then each layer, slower the lower it is; embeddings the slowest."""
    layers = model.encoder.config.num_hidden_layers
    rates: dict[float, list[nn.Parameter]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            layer = _LAYER.search(name)
            below = layers - 1 - int(layer["number"]) if layer else layers
            of_encoder = name.startswith("encoder.")
            rate = recipe.encoder_rate * recipe.layer_decay**below if of_encoder else recipe.head_rate
            rates.setdefault(rate, []).append(weight)
    return [{"params": weights, "lr": rate} for rate, weights in rates.items()]


def _batches(lengths: Sequence[int], recipe: Recipe, generator: torch.Generator) -> Iterator[list[int]]:
    """Batches of texts of like length, in random order, for every epoch."""
    for _ in range(recipe.epochs):
        noise = torch.rand(len(lengths), generator=generator).tolist()
        order = sorted(range(len(lengths)), key=lambda i: lengths[i] + 3 * noise[i])
        batches = [order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)]
        for index in torch.randperm(len(batches), generator=generator).tolist():
            yield batches[index]
