"""Several requests in one sentence, understood one by one; and sentences that only look like it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.nlu_model import TRAINING_TIMEOUT, named, understand

pytestmark = [pytest.mark.integration, pytest.mark.timeout(TRAINING_TIMEOUT)]

SENTENCES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "nlu_several.yaml").read_text(encoding="utf-8")
)


@pytest.mark.parametrize(("several", "least"), [(True, 0.85), (False, 0.95)])
def test_sentences_are_parted_where_they_ask_for_several_things(several: bool, least: float) -> None:
    sentences = [each for each in SENTENCES if bool(each["parts"]) == several]

    understood = understand(*(each["text"] for each in sentences))

    wrong = [
        f"{sentence['text']} -> {[part.understanding.intent for part in one.parts]}"
        for sentence, one in zip(sentences, understood, strict=True)
        if [part.understanding.intent for part in one.parts] != sentence["parts"]
    ]
    assert len(sentences) >= 20
    assert 1 - len(wrong) / len(sentences) >= least, "\n".join(wrong)


def test_each_part_has_its_words_and_its_own_slots() -> None:
    (one,) = understand("Please dim the bedroom lights to 20 percent and set a ten minute timer")

    dim, timer = one.parts
    assert (dim.text, named(dim.understanding)) == (
        "Please dim the bedroom lights to 20 percent",
        {"area": "bedroom", "device": "light", "brightness": "20"},
    )
    assert (timer.text, named(timer.understanding)) == ("set a ten minute timer", {"duration": "600"})
    text = "Please dim the bedroom lights to 20 percent and set a ten minute timer"
    assert [text[part.start : part.end] for part in one.parts] == [part.text for part in one.parts]
    assert all(part.text[slot.start : slot.end] == slot.text for part in one.parts for slot in part.understanding.slots)
    assert (one.intent, named(one)) == ("set_brightness", named(dim.understanding))
    assert one.confidence == min(part.understanding.confidence for part in one.parts)


def test_parts_are_understood_alike_in_any_company() -> None:
    texts = ["把客厅的灯关掉，把卧室的空调打开", "turn off the tv and lock the front door", "turn off the tv"]

    assert understand(*texts) == [understand(text)[0] for text in texts]
