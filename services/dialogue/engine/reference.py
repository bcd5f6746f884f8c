"""What is meant but not named: "it", "them", "there", and follow-ups such as "and the bedroom?"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from services.dialogue.engine import phrases
from services.dialogue.engine.catalogue import AREA, DEVICE, Catalogue, Known
from services.dialogue.engine.frames import distinct, frames_of, is_bare, merged, spoken_values
from services.dialogue.engine.heard import Heard
from services.dialogue.engine.state import ConversationState, Frame, Mention, Thing


def resolved(known: Known, frames: Sequence[Frame], text: str, state: ConversationState) -> tuple[Frame, ...]:
    """`frames` with what pronouns and "there" in `text` stand for; a value that was named is never replaced."""
    frames = tuple(frames)
    if phrases.has_pronoun(text):
        frames = _with_things(known, frames, state, pointed=phrases.demonstrates(text))
    area = known.slot_of(AREA)
    if area and state.area and phrases.points_there(text):
        frames = tuple({area: state.area, **frame} for frame in frames)
    return distinct(frames)


def follow_up(catalogue: Catalogue, heard: Heard, state: ConversationState) -> tuple[Frame, ...]:
    """The last request's frames with the values of "and the bedroom?" in them; empty where this is no follow-up."""
    if state.last_intent not in catalogue or not phrases.follows_up(heard.text):
        return ()
    known = catalogue[state.last_intent]
    values = spoken_values(catalogue, known, heard)
    if not values or not is_bare(values, heard.text):
        return ()
    new = frames_of(known, values)
    area, device = known.slot_of(AREA), known.slot_of(DEVICE)
    frames = merged(state.last_frames, new)
    if area and area not in values:  # "and the fan?": where the last device stood, unless there is none of this kind
        frames = tuple(
            {
                slot: value
                for slot, value in frame.items()
                if slot != area or not device or frame[area] in known.areas_of(frame)
            }
            for frame in frames
        )
    return distinct(frames)


def remembered(state: ConversationState, known: Known, frames: Sequence[Frame]) -> ConversationState:
    """The conversation after a request about these frames: what the next "it" and "there" mean."""
    thing, area = known.thing_slot, known.slot_of(AREA)
    named = [frame for frame in frames if frame.get(thing)]
    if thing and named:
        things = tuple(Thing(frame[thing], frame.get(area, "")) for frame in named)
        state = replace(state, mention=Mention(thing, tuple(dict.fromkeys(things))))
    areas = [frame[area] for frame in frames if frame.get(area)]
    return replace(state, area=areas[-1]) if areas else state


def _with_things(
    known: Known, frames: tuple[Frame, ...], state: ConversationState, *, pointed: bool
) -> tuple[Frame, ...]:
    thing, area = known.thing_slot, known.slot_of(AREA)
    if not thing:  # "set it to 21 degrees": only a place can be meant
        return tuple({area: state.area, **frame} for frame in frames) if area and state.area else frames
    if state.mention is None or state.mention.slot != thing:
        return frames
    found: list[Frame] = []
    for frame in frames:
        if frame.get(thing) and not pointed:  # "turn on the light, it is dark"
            found.append(frame)
            continue
        meant = [each for each in state.mention.things if frame.get(thing, each.value) == each.value]
        for each in meant:
            place = {area: each.area} if area and each.area else {}
            found.append({thing: each.value, **place, **frame})
        if not meant:
            found.append(frame)
    return tuple(found)
