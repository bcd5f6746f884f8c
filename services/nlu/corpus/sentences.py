"""Reads the sentence files of the packs: `sentences/<language>.yaml` and `sentences/out_of_scope.yaml`.

A language file holds `intents` (intent -> hassil templates), `out_of_scope` (templates of what names our things and is
no request), `fragments` (answers, which have no intent), `rules` (hassil expansion rules), `lists` (what fills slots of
free text), `asides` (clauses around a request that change nothing), `skip_before` and `skip_after` (words likewise).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.errors import InvalidPack
from shared.packs import Pack
from shared.packs.sentences import sentence_file

LANGUAGES = ("en", "zh")
OUT_OF_SCOPE = "out_of_scope"
_APOSTROPHES = str.maketrans("", "", "'’")  # templates match normalised text, which has none


@dataclass(frozen=True, slots=True)
class Template:
    """One hassil template; `intent` may be OUT_OF_SCOPE, and is empty for a fragment."""

    text: str
    intent: str
    pack: str


@dataclass(frozen=True, slots=True)
class Sentences:
    """All that the packs write in one language."""

    language: str
    templates: tuple[Template, ...]
    out_of_scope: tuple[str, ...]
    skip_before: tuple[str, ...]
    skip_after: tuple[str, ...]
    rules: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # pack -> name -> template
    lists: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)  # pack -> name -> phrases
    asides: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # pack -> clauses


def read_sentences(packs: Iterable[Pack], language: str) -> Sentences:
    """The sentences of `packs` in `language`; raises InvalidPack for a file that cannot be used."""
    templates: list[Template] = []
    out_of_scope: list[str] = []
    before: list[str] = []
    after: list[str] = []
    rules: dict[str, Mapping[str, str]] = {}
    lists: dict[str, Mapping[str, tuple[str, ...]]] = {}
    asides: dict[str, tuple[str, ...]] = {}
    for pack in packs:
        out_of_scope += sentence_file(pack, OUT_OF_SCOPE).get(language, [])
        content = sentence_file(pack, language)
        intents = content.get("intents", {})
        if unknown := set(intents) - set(pack.intents):
            remedy = f"in sentences/{language}.yaml are not among the intents of {pack.name}"
            raise InvalidPack("intents", sorted(unknown), remedy)
        for intent, texts in intents.items():
            templates += (Template(_plain(text), intent, pack.name) for text in texts)
        templates += (Template(_plain(text), OUT_OF_SCOPE, pack.name) for text in content.get(OUT_OF_SCOPE, []))
        templates += (Template(_plain(text), "", pack.name) for text in content.get("fragments", []))
        before += map(_plain, content.get("skip_before", []))
        after += map(_plain, content.get("skip_after", []))
        rules[pack.name] = {name: _plain(text) for name, text in content.get("rules", {}).items()}
        asides[pack.name] = tuple(map(_plain, content.get("asides", [])))
        lists[pack.name] = {name: tuple(map(_plain, phrases)) for name, phrases in content.get("lists", {}).items()}
    return Sentences(language, tuple(templates), tuple(out_of_scope), tuple(before), tuple(after), rules, lists, asides)


def _plain(text: object) -> str:
    return str(text).translate(_APOSTROPHES)
