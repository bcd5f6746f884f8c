"""How a reader is fine-tuned: the numbers of one training, in one place."""

from __future__ import annotations

from dataclasses import dataclass, replace

_EPOCHS = (6, 10)  # fewest and most where the size of the data decides
_SENTENCES = 100_000  # read in all, as far as these bounds allow
_LEAST_STEPS = 300  # of data so small that some epochs would be over at once
_MOST_EPOCHS = 60


@dataclass(frozen=True, slots=True)
class Recipe:
    """`layer_decay`: each layer learns so much slower than the one above; `smoothing`: of the intents' labels.

    `average`: decay a step of the exponential mean of the weights that is kept in the end (0: the last weights);
    `clip`: the longest gradient (0: any); `adversarial`: how far the word embeddings are moved against each batch, for
    a second pass that takes as long as the first (0: no such pass); `centroids`: the intent head begins at the mean
    sentence vector of each intent.
    """

    epochs: int  # 0: by the size of the data, see `sized`
    batch: int = 32
    encoder_rate: float = 1e-4
    head_rate: float = 2e-3
    warm_up: float = 0.1  # share of the steps
    frozen_layers: int = 0
    layer_decay: float = 1.0
    smoothing: float = 0.0
    average: float = 0.0
    clip: float = 0.0
    adversarial: float = 0.0
    centroids: bool = False
    half: bool = False  # compute in bfloat16 where the processor does; weights and losses stay whole
    adapters: bool = False  # train low-rank adapters (LoRA) and the heads alone

    def sized(self, sentences: int) -> Recipe:
        """The recipe with its epochs, for so many sentences."""
        fewest, most = _EPOCHS
        epochs = self.epochs or min(most, max(fewest, round(_SENTENCES / sentences)))
        needed = -(-_LEAST_STEPS * self.batch // sentences)
        return replace(self, epochs=max(epochs, min(needed, _MOST_EPOCHS)))


# The bundled packs: few sentences, two minutes. Freezing two layers saves a third of the time and loses little.
PACKS = Recipe(epochs=5, frozen_layers=2)

METHODS = {
    "full": Recipe(
        epochs=0,
        encoder_rate=2e-4,
        head_rate=2e-3,
        layer_decay=0.9,
        smoothing=0.1,
        average=0.998,
        clip=1.0,
        adversarial=1.0,
        centroids=True,
        half=True,
    ),
    "lora": Recipe(
        epochs=10, encoder_rate=1e-3, head_rate=1e-3, smoothing=0.1, clip=1.0, centroids=True, adapters=True
    ),
    "head": Recipe(epochs=10, head_rate=3e-3, smoothing=0.1, frozen_layers=1000, centroids=True),
}
