"""English: MiniLM, fine-tuned with one head for the intent (over the mean of the tokens) and one for slots (BIO).

The joint architecture is that of Chen, Zhuo and Wang, "BERT for Joint Intent Classification and Slot Filling" (2019),
with mean pooling, as MiniLM's sentence-transformers weights were trained for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import BertConfig, BertModel

from services.nlu.model.labels import Labels
from services.nlu.model.reading import Reading, decode
from shared.errors import InvalidInput

BASE_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
_BASE_FILES = ("config.json", "tokenizer.json", "model.safetensors")
_MOST_TOKENS = 96


class JointEncoder(nn.Module):
    """Token ids and mask [batch, tokens] to intent logits [batch, intents] and tag logits [batch, tokens, tags]."""

    def __init__(self, config: BertConfig, labels: Labels) -> None:
        super().__init__()
        self.encoder = BertModel(config, add_pooling_layer=False)
        self.dropout = nn.Dropout(0.1)
        self.intent_head = nn.Linear(config.hidden_size, len(labels.intents))
        self.slot_head = nn.Linear(config.hidden_size, len(labels.tags))

    def forward(self, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        states = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = _mean(states, mask)
        return self.intent_head(self.dropout(pooled)), self.slot_head(self.dropout(states))

    def pool(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Sentence vectors [batch, hidden]."""
        return _mean(self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state, mask)

    def freeze_lower_layers(self, layers: int) -> None:
        """Keep the first `layers` as they are, and the embeddings below them; with 0 all of it learns."""
        if not layers:
            return
        for module in (self.encoder.embeddings, *self.encoder.encoder.layer[:layers]):
            for parameter in module.parameters():
                parameter.requires_grad_(False)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weights = mask.unsqueeze(-1).to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1)


class EnglishReader:
    """A trained JointEncoder with its tokenizer."""

    def __init__(self, model: JointEncoder, tokenizer: Tokenizer, labels: Labels) -> None:
        self.model, self.labels = model, labels
        self.tokenizer = tokenizer
        self.tokenizer.enable_truncation(_MOST_TOKENS)
        self.tokenizer.no_padding()

    @classmethod
    def from_base(cls, base: Path, labels: Labels) -> EnglishReader:
        """The untrained heads on the base model in folder `base`: config.json, tokenizer.json and model.safetensors.

        Raises InvalidInput for a folder that holds no BERT.
        """
        if missing := [name for name in _BASE_FILES if not (base / name).is_file()]:
            remedy = f"lacks {', '.join(missing)}; name a BERT in the Hugging Face layout, with safetensors weights"
            raise InvalidInput("--base", str(base), remedy)
        kind = json.loads((base / "config.json").read_text(encoding="utf-8")).get("model_type")
        if kind != "bert":
            raise InvalidInput("--base", f"{base} (model_type {kind})", "is no BERT; MiniLM, BGE, E5 and GTE small are")
        config = BertConfig.from_json_file(base / "config.json")
        model = JointEncoder(config, labels)
        weights = load_file(base / "model.safetensors")
        kept = {name.removeprefix("bert."): weight for name, weight in weights.items() if "pooler." not in name}
        absent = model.encoder.load_state_dict(kept, strict=False).missing_keys
        if absent:
            raise InvalidInput("--base", str(base), f"lacks the weights {absent[0]} and {len(absent) - 1} more")
        return cls(model, Tokenizer.from_file(str(base / "tokenizer.json")), labels)

    @classmethod
    def load(cls, folder: Path, labels: Labels) -> EnglishReader:
        """The reader that `save` wrote."""
        model = JointEncoder(BertConfig.from_json_file(folder / "config.json"), labels)
        model.load_state_dict(load_file(folder / "model.safetensors"))
        model.eval()
        return cls(model, Tokenizer.from_file(str(folder / "tokenizer.json")), labels)

    def save(self, folder: Path) -> None:
        """Write config.json, tokenizer.json and model.safetensors."""
        folder.mkdir(parents=True)
        (folder / "config.json").write_text(json.dumps(self.model.encoder.config.to_diff_dict()), encoding="utf-8")
        self.tokenizer.save(str(folder / "tokenizer.json"))
        save_file({name: weight.contiguous() for name, weight in self.model.state_dict().items()},
                  folder / "model.safetensors")  # fmt: skip

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading a text, in order."""
        encodings = self.tokenizer.encode_batch(list(texts))
        ids, mask = pad([encoding.ids for encoding in encodings])
        with torch.inference_mode():
            intents, tags = self.model(ids, mask)
            probabilities = tags.softmax(-1).numpy()
        return [
            Reading(logits.numpy(), decode(self.labels, *_words(encoding.offsets, encoding.word_ids, shares)))
            for logits, shares, encoding in zip(intents, probabilities, encodings, strict=True)
        ]


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Ids and mask [rows, longest], padded with 0."""
    longest = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row)
        mask[index, : len(row)] = 1
    return ids, mask


def _words(
    offsets: Sequence[tuple[int, int]], words: Sequence[int | None], probabilities: np.ndarray
) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Offsets and tag probabilities of whole words: the first piece of a word speaks for it."""
    spans: list[tuple[int, int]] = []
    first: list[int] = []
    previous: int | None = None
    for index, (word, (start, end)) in enumerate(zip(words, offsets, strict=True)):
        if word is None:
            continue
        if word == previous:
            spans[-1] = (spans[-1][0], end)
        else:
            spans.append((start, end))
            first.append(index)
        previous = word
    return spans, probabilities[first]
