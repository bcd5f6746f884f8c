"""Everything that can be wrong with a pack's folder: pack.yaml, sentences, replies, documents, and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from hassil.expression import Expression, Group, ListReference, RuleReference
from hassil.parse_expression import parse_sentence
from hassil.parser import ParseError

from parley.v1.generation_pb2 import DialogueActType
from shared.packs.loader import PACK_FILE, read_pack
from shared.packs.located import Located, Place, read_located
from shared.packs.model import Pack, Required
from shared.packs.problems import Problem
from shared.packs.schema import RepliesEntry, SayEntry, SentencesEntry, shaped

ACTS = frozenset(name.removeprefix("DIALOGUE_ACT_TYPE_").lower() for name, number in DialogueActType.items() if number)
_KNOWN = frozenset({PACK_FILE, "sentences", "replies", "documents", "manifest.json", "README.md"})
_OTHER_SENTENCES = frozenset({"out_of_scope", "home_assistant"})  # read by nlu in a shape of their own
_RISKY = frozenset({"medium", "high"})


def examine(folder: Path) -> tuple[Pack | None, list[Problem]]:
    """The pack in `folder`, None where pack.yaml has no shape; and every problem of every file."""
    pack, problems = read_pack(folder)
    if pack is None:
        return None, problems
    for entry in sorted(folder.iterdir()):
        if entry.name not in _KNOWN and not entry.name.startswith("."):
            known = ", ".join(sorted(_KNOWN))
            problems.append(Problem(entry.name, 1, "", entry.name, f"is unknown here; a pack holds {known}"))
    problems += _sentences(pack)
    problems += _replies(pack)
    problems += _documents(pack)
    return pack, problems


def _language_files(pack: Pack, room: str, suffix: str = ".yaml") -> Iterator[Path | Problem]:
    """The files of a room that are in the pack's languages, and problems for those that are not or are missing."""
    present = {file.stem: file for file in sorted((pack.path / room).glob(f"*{suffix}"))}
    for stem, file in present.items():
        if stem in pack.languages:
            yield file
        elif not (room == "sentences" and stem in _OTHER_SENTENCES):
            yield Problem(f"{room}/{file.name}", 1, "", stem, "is not among the pack's languages; add it in pack.yaml")
    for language in pack.languages:
        if language not in present and pack.intents:
            name = f"{room}/{language}{suffix}"
            yield Problem(name, 1, "", language, f"is a language of the pack, and {name} is missing; write it")


def _sentences(pack: Pack) -> Iterator[Problem]:
    for file in _language_files(pack, "sentences"):
        if isinstance(file, Problem):
            yield file
            continue
        located = read_located(file, pack.path)
        entry, problems = shaped(SentencesEntry, located)
        yield from problems
        if entry is not None:
            yield from _templates(pack, located, entry)


def _templates(pack: Pack, located: Located, entry: SentencesEntry) -> Iterator[Problem]:
    for intent in entry.intents:
        if intent not in pack.intents:
            yield located.problem(("intents", intent), intent, "is not among the pack's intents; add it in pack.yaml")
    for intent in pack.intents:
        if not entry.intents.get(intent):
            yield located.problem(("intents",), intent, "has no sentences here; write how people say it")
    for place, text, uses in _all_templates(pack, entry):
        try:
            expression = parse_sentence(text).expression
        except ParseError as error:
            yield located.problem(place, text, f"is no template: {error}; check its brackets")
            continue
        for reference in {str(each): each for each in _references(expression)}.values():
            if isinstance(reference, RuleReference):
                if reference.rule_name not in entry.rules:
                    remedy = f"names <{reference.rule_name}>, which is not among the rules of this file"
                    yield located.problem(place, text, remedy)
            elif isinstance(reference, ListReference):
                yield from _list_problem(pack, located, entry, place, text, reference, uses)


def _all_templates(pack: Pack, entry: SentencesEntry) -> Iterator[tuple[Place, str, frozenset[str] | None]]:
    """Every template with its place and the slots it may fill (None: any of the pack)."""
    for name, text in entry.rules.items():
        yield ("rules", name), text, None
    for intent, texts in entry.intents.items():
        known = pack.intents.get(intent)
        slots = frozenset(known.slots) if known is not None and known.action else None  # a question just names things
        for number, text in enumerate(texts):
            yield ("intents", intent, number), text, slots
    for room, texts in (("out_of_scope", entry.out_of_scope), ("fragments", entry.fragments)):
        for number, text in enumerate(texts):
            yield (room, number), text, None


def _list_problem(
    pack: Pack,
    located: Located,
    entry: SentencesEntry,
    place: Place,
    text: str,
    reference: ListReference,
    slots: frozenset[str] | None,
) -> Iterator[Problem]:
    name, slot = reference.list_name, reference.slot_name or reference.list_name
    if name not in pack.entities and name not in entry.lists:
        remedy = f"names {{{name}}}, which is neither an entity of the pack nor among the lists of this file"
        yield located.problem(place, text, remedy)
    elif name in pack.entities and pack.entities[name].kind == "text" and name not in entry.lists:
        remedy = f"names {{{name}}}, which holds any text; write examples of it under `lists: {{{name}: [...]}}`"
        yield located.problem(place, text, remedy)
    elif slots is not None and slot not in slots:
        remedy = f"fills the slot {slot}, which its intent has not; write {{{name}:SLOT}}, or add the slot"
        yield located.problem(place, text, remedy)


def _references(expression: Expression) -> Iterator[RuleReference | ListReference]:
    if isinstance(expression, (RuleReference, ListReference)):
        yield expression
    elif isinstance(expression, Group):
        for item in expression.items:
            yield from _references(item)


def _replies(pack: Pack) -> Iterator[Problem]:
    for file in _language_files(pack, "replies"):
        if isinstance(file, Problem):
            yield file
            continue
        located = read_located(file, pack.path)
        entry, problems = shaped(RepliesEntry, located)
        yield from problems
        if entry is not None:
            yield from _reply_templates(located, entry)
            yield from _unsaid(pack, located, entry)


def _reply_templates(located: Located, entry: RepliesEntry) -> Iterator[Problem]:
    for act, by_key in entry.replies.items():
        if act not in ACTS:
            yield located.problem(("replies", act), act, f"is no dialogue act; use one of {', '.join(sorted(ACTS))}")
        for key, templates in by_key.items():
            for number, template in enumerate(templates):
                say = template.say if isinstance(template, SayEntry) else template
                if say.count("{") != say.count("}"):
                    yield located.problem(("replies", act, key, number), say, "has a brace without its other half")


def _unsaid(pack: Pack, located: Located, entry: RepliesEntry) -> Iterator[Problem]:
    """Questions and outcomes for which the pack has no words."""
    for intent in pack.intents.values():
        for slot in intent.slots.values():
            asked = {f"{intent.name}/{slot.name}", slot.name} & set(entry.replies.get("request", {}))
            if slot.required is not Required.NEVER and not asked:
                remedy = f"is required and no question asks for it; write `request: {{{slot.name}: [...]}}`"
                yield located.problem(("replies", "request"), f"{intent.name}/{slot.name}", remedy)
    for action in pack.actions.values():
        wanted: Iterable[str] = ("task_done", "confirm") if action.risk in _RISKY else ("task_done",)
        for act in wanted:
            if action.name not in entry.replies.get(act, {}):
                remedy = f"has no words under `{act}`; write `{action.name}: [...]`"
                yield located.problem(("replies", act), action.name, remedy)


def _documents(pack: Pack) -> Iterator[Problem]:
    for file in sorted((pack.path / "documents").rglob("*")):
        name = file.relative_to(pack.path).as_posix()
        if file.is_dir():
            continue
        if file.suffix != ".md" or file.parent.parent != pack.path / "documents":
            yield Problem(name, 1, "", name, "is no document; write documents/LANGUAGE/NAME.md")
        elif file.parent.name not in pack.languages:
            yield Problem(name, 1, "", file.parent.name, "is not among the pack's languages; add it in pack.yaml")
        elif not file.read_text(encoding="utf-8", errors="replace").strip():
            yield Problem(name, 1, "", name, "is empty; write it or remove it")
