"""The reply files of the packs: templates by dialogue act, and how values are named, one book a language.

A file `replies/<language>.yaml` of a pack:

    names:                        # said instead of the first form in pack.yaml
      device: {tv: TV}
    plurals:                      # {device.plural}
      device: {light: lights}
    replies:
      task_failed:                # a dialogue act, in lower case
        home.turn_on/no_such_device:          # keys: see `keys`; "default" answers for all others
          - when: {area: everywhere}          # all of these values; several by a list
            say: "There is no {device} here."
          - "There is no {device} in the {area}."
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from parley.v1.generation_pb2 import DialogueActType
from shared.errors import InvalidPack
from shared.packs import Pack

ACTS = {
    name.removeprefix("DIALOGUE_ACT_TYPE_").lower(): number for name, number in DialogueActType.items() if number != 0
}
PLACEHOLDER = re.compile(r"\{([a-z_]+)(?:\.([a-z]+))?\}")
DEFAULT = "default"
_REQUIRED_LANGUAGES = ("en", "zh")


@dataclass(frozen=True, slots=True)
class Template:
    """One way to say an act, for the values it needs."""

    say: str
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # value by name: one of these

    @property
    def needs_nothing(self) -> bool:
        """True where it can always be said."""
        return not self.when and PLACEHOLDER.search(self.say) is None


@dataclass(slots=True)
class Book:
    """Everything that can be said in one language."""

    language: str
    templates: dict[tuple[int, str], tuple[Template, ...]] = field(default_factory=dict)  # by act type and key
    names: dict[str, dict[str, str]] = field(default_factory=dict)  # by entity and value
    plurals: dict[str, dict[str, str]] = field(default_factory=dict)

    def candidates(self, act_type: int, keys: Sequence[str]) -> Iterator[Template]:
        """Templates for an act, the most particular key's first."""
        for key in keys:
            yield from self.templates.get((act_type, key), ())


def keys(subjects: Sequence[str], details: Sequence[str]) -> list[str]:
    """Where templates of an act are looked up, most particular first.

    `subjects`: action and intent; `details`: error class, slot, outcome. "home.unlock/permission_denied",
    "permission_denied", "home.unlock", "default".
    """
    told = [subject for subject in subjects if subject]
    fine = [detail for detail in details if detail]
    return [*(f"{subject}/{detail}" for subject in told for detail in fine), *fine, *told, DEFAULT]


def load_books(packs: Sequence[Pack]) -> tuple[dict[str, Book], str]:
    """A book for each language the packs' reply files speak, and a short hash of the files.

    Raises InvalidPack for a file that cannot be used, and where an act could be left without words.
    """
    books: dict[str, Book] = {}
    digest = hashlib.sha256()
    for pack in packs:
        for file in sorted((pack.path / "replies").glob("*.yaml")):
            where = f"{pack.name}/replies/{file.name}"
            content = file.read_bytes()
            digest.update(where.encode() + b"\0" + content)
            try:
                entries = yaml.safe_load(content)
            except yaml.YAMLError as error:
                raise InvalidPack(where, file.name, f"is not YAML: {error}") from error
            _add(books.setdefault(file.stem, Book(file.stem)), where, entries)
    for language in _REQUIRED_LANGUAGES:
        books.setdefault(language, Book(language))
    for book in books.values():
        _check(book)
    return books, digest.hexdigest()[:8]


def _add(book: Book, where: str, entries: Any) -> None:
    if not isinstance(entries, dict) or set(entries) - {"names", "plurals", "replies"}:
        raise InvalidPack(where, entries, "must be a mapping of names, plurals and replies")
    for section, target in (("names", book.names), ("plurals", book.plurals)):
        for entity, forms in (entries.get(section) or {}).items():
            target.setdefault(entity, {}).update({str(value): str(form) for value, form in forms.items()})
    for act, by_key in (entries.get("replies") or {}).items():
        if act not in ACTS:
            raise InvalidPack(
                f"{where}: replies.{act}", act, f"is no dialogue act; use one of {', '.join(sorted(ACTS))}"
            )
        for key, given in by_key.items():
            place = (ACTS[act], str(key))
            if place in book.templates:
                raise InvalidPack(f"{where}: replies.{act}.{key}", key, "is in another pack too; keep one of them")
            book.templates[place] = tuple(_template(f"{where}: replies.{act}.{key}", entry) for entry in given)


def _template(where: str, entry: Any) -> Template:
    if isinstance(entry, str):
        template = Template(entry)
    elif isinstance(entry, dict) and set(entry) == {"when", "say"}:
        when = {
            name: tuple(map(str, value)) if isinstance(value, list) else (str(value),)
            for name, value in entry["when"].items()
        }
        template = Template(str(entry["say"]), when)
    else:
        raise InvalidPack(where, entry, "is no template; write a text, or a mapping of `when` and `say`")
    if set("{}") & set(PLACEHOLDER.sub("", template.say)):
        raise InvalidPack(where, template.say, "has braces around no name; write {area} or {device.plural}")
    return template


def _check(book: Book) -> None:
    """Every act can be said, whatever is missing."""
    for act, number in ACTS.items():
        last = book.templates.get((number, DEFAULT), ())[-1:]
        if not last or not last[0].needs_nothing:
            remedy = "needs a default whose last template has no placeholder"
            raise InvalidPack(f"replies/{book.language}.yaml: replies.{act}.{DEFAULT}", act, remedy)
