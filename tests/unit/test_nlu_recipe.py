"""How long a model of one's own is trained, by the size of the data."""

from __future__ import annotations

import pytest

from services.nlu.training.recipe import METHODS, Recipe

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("sentences", "epochs"), [(10_000, 10), (12_500, 8), (50_000, 6), (1_000, 10)])
def test_more_sentences_need_fewer_epochs_within_bounds(sentences: int, epochs: int) -> None:
    assert METHODS["full"].sized(sentences).epochs == epochs


@pytest.mark.parametrize(("sentences", "epochs"), [(320, 30), (100, 60), (10, 60)])
def test_few_sentences_are_read_often_enough_to_learn_from(sentences: int, epochs: int) -> None:
    assert METHODS["full"].sized(sentences).epochs == epochs


def test_epochs_that_a_recipe_names_are_a_least() -> None:
    assert Recipe(epochs=8).sized(50_000).epochs == 8
    assert Recipe(epochs=8).sized(320).epochs == 30
