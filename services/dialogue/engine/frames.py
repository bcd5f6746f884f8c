"""From tagged words to the values of tasks. "The kitchen light and the bedroom fan" are two frames of one intent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice, product

from parley.v1 import nlu_pb2
from services.dialogue.engine import phrases
from services.dialogue.engine.answers import Found, named_values
from services.dialogue.engine.catalogue import Catalogue, Known
from services.dialogue.engine.heard import Heard
from services.dialogue.engine.state import Frame

Values = Mapping[str, tuple[Found, ...]]  # by slot, in the order they were said
_MOST_FRAMES = 16


def tagged_values(catalogue: Catalogue, known: Known, heard: Heard) -> Values:
    """What nlu tagged, for the slots of an intent: by the slot's name, else by the entity it holds."""
    values: dict[str, tuple[Found, ...]] = {}
    for slot in sorted(heard.slots, key=lambda slot: slot.start):
        entity = _entity_of(catalogue, heard, slot.name)
        name = slot.name if slot.name in known.intent.slots else known.slot_of(entity)
        if not name or not slot.value:
            continue
        start, end = _span(slot, heard.text)
        values[name] = (*values.get(name, ()), Found(entity, slot.value, start, end))
    return values


def spoken_values(catalogue: Catalogue, known: Known, heard: Heard) -> Values:
    """What nlu tagged, and the list values it did not tag but whose words are there."""
    tagged = dict(tagged_values(catalogue, known, heard))
    taken = [found for values in tagged.values() for found in values]
    lists = [known.entity(slot) for slot in known.intent.slots if slot not in tagged]
    for found in named_values([entity for entity in lists if entity.kind == "list"], heard.text):
        if all(found.end <= other.start or found.start >= other.end for other in taken):
            slot = known.slot_of(found.entity)
            tagged[slot] = (*tagged.get(slot, ()), found)
    return tagged


def is_bare(values: Values, text: str) -> bool:
    """True where `text` says these values and next to nothing else."""
    spans = sorted((found.start, found.end) for several in values.values() for found in several)
    rest, position = [], 0
    for start, end in spans:
        rest.append(text[position : max(position, start)])
        position = max(position, end)
    rest.append(text[position:])
    return bool(spans) and phrases.is_filler(" ".join(rest))


def frames_of(known: Known, values: Values) -> tuple[Frame, ...]:
    """One frame for each combination of the values said; as many devices as areas are paired in their order."""
    lists = {
        slot: tuple(each.value for each in found)
        for slot, found in values.items()
        if len(found) > 1 and known.entity(slot).kind == "list"
    }
    single = {slot: found[0].value for slot, found in values.items() if slot not in lists}
    paired = len({len(each) for each in lists.values()}) == 1
    combinations = zip(*lists.values(), strict=True) if paired else product(*map(dict.fromkeys, lists.values()))
    frames = [{**single, **dict(zip(lists, combination, strict=True))} for combination in combinations]
    return distinct(frames)[:_MOST_FRAMES]


def merged(frames: Sequence[Frame], new: Sequence[Frame]) -> tuple[Frame, ...]:
    """Every frame with every new one laid over it, without repetitions."""
    laid = ({**frame, **over} for frame in frames for over in new)
    return distinct(tuple(islice(laid, _MOST_FRAMES)))


def answered(frames: Sequence[Frame], slot: str, values: Sequence[str]) -> tuple[Frame, ...]:
    """An answer laid into each frame that lacks the slot; several values make several frames."""
    laid = ({**frame, slot: value} for frame in frames for value in ((frame[slot],) if frame.get(slot) else values))
    return distinct(tuple(islice(laid, _MOST_FRAMES)))


def distinct(frames: Sequence[Frame]) -> tuple[Frame, ...]:
    """The frames without repetitions, in their order."""
    return tuple({tuple(sorted(frame.items())): frame for frame in frames}.values())


def _entity_of(catalogue: Catalogue, heard: Heard, slot: str) -> str:
    if heard.tagged_as in catalogue:
        use = catalogue[heard.tagged_as].intent.slots.get(slot)
        if use is not None:
            return use.entity
    return slot


def _span(slot: nlu_pb2.Slot, text: str) -> tuple[int, int]:
    if slot.start < slot.end <= len(text):
        return slot.start, slot.end
    start = text.lower().find(slot.text.lower()) if slot.text else -1
    return (start, start + len(slot.text)) if start >= 0 else (0, 0)
