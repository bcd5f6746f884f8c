"""Where a model is trained, and the second pass against moved embeddings."""

from __future__ import annotations

import pytest
import torch

from services.nlu.training.device import device_of
from services.nlu.training.fit_english import _against
from shared.errors import InvalidInput

pytestmark = pytest.mark.unit


def test_auto_is_the_gpu_where_there_is_one() -> None:
    assert device_of("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_of("cpu") == torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "said"), [("gpu", "is no device"), ("meta", "not supported"), ("cuda:77", "not here")]
)
def test_a_device_that_cannot_be_used_is_refused_with_the_remedy(name: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        device_of(name)

    assert "--device" in str(refused.value)
    assert name in str(refused.value)


def test_embeddings_are_moved_against_the_batch_and_put_back() -> None:
    weight = torch.nn.Parameter(torch.ones(3, 2))
    torch.autograd.backward((weight * torch.tensor([[3.0, 0.0], [0.0, 4.0], [0.0, 0.0]])).sum())

    with _against(weight, 0.5):
        assert torch.allclose(weight.data - 1, torch.tensor([[0.3, 0.0], [0.0, 0.4], [0.0, 0.0]]))
    assert torch.allclose(weight.data, torch.ones(3, 2))
