"""Documents as they are indexed: checked, wherever they come from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from parley.v1 import knowledge_pb2
from services.knowledge.terms import guess_language
from shared.errors import InvalidInput, InvalidPack
from shared.packs import Pack

BUNDLED = "bundled"
EVENT = "event"
_FRONT_MATTER = re.compile(r"\A---\n(?P<yaml>.*?)\n---\n", re.DOTALL)
_PRIMARY_SUBTAG = re.compile(r"[a-z]{2,3}")
_LONGEST_ROLE = 100


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """One document before it is cut into passages."""

    document_id: str
    domain: str
    language: str  # BCP 47 primary subtag
    title: str  # used where the text has no heading of level 1
    text: str  # Markdown
    source: str  # where a person can read it
    roles: tuple[str, ...]  # that may see it; empty: everyone
    origin: str  # BUNDLED or EVENT

    def content_hash(self, *versions: str) -> str:
        """Hash of all that decides what is stored, `versions` of the code that does it included."""
        parts = (self.document_id, self.domain, self.language, self.title, self.text, self.source, *self.roles)
        return hashlib.sha256("\x1f".join((*parts, *versions)).encode()).hexdigest()


def from_event(document: knowledge_pb2.Document) -> SourceDocument:
    """The document of an event; raises InvalidInput for a field that cannot be used."""
    text = document.text.replace("\x00", "")
    if "\x00" in document.document_id:
        raise InvalidInput("document_id", document.document_id, "holds a NUL character; leave it out")
    if not text.strip():
        raise InvalidInput("text", document.text, "is empty; give the document's Markdown, or set deleted to remove it")
    for role in document.roles:
        if not 0 < len(role) <= _LONGEST_ROLE:
            raise InvalidInput("roles", role, f"is no role; use 1 to {_LONGEST_ROLE} characters")
    return SourceDocument(
        document_id=document.document_id,
        domain=document.domain,
        language=primary_subtag(document.language) or guess_language(text),
        title=document.title.replace("\x00", ""),
        text=text,
        source=document.source.replace("\x00", "") or document.document_id,
        roles=tuple(sorted(set(document.roles))),
        origin=EVENT,
    )


def primary_subtag(tag: str) -> str:
    """ "zh" of "zh-CN"; empty stays empty. Raises InvalidInput for what is no tag."""
    subtag = tag.partition("-")[0].lower()
    if subtag and not _PRIMARY_SUBTAG.fullmatch(subtag):
        raise InvalidInput("language", tag, "is no language tag; use one such as en or zh-CN")
    return subtag


def of_packs(packs: Iterable[Pack]) -> Iterator[SourceDocument]:
    """The documents in the packs' folders: documents/<language>/<name>.md, in the order of their names."""
    for pack in packs:
        for file in sorted((pack.path / "documents").glob("*/*.md")):
            yield _read(pack.name, file)


def _read(domain: str, file: Path) -> SourceDocument:
    """One bundled file; its front matter may name `roles`."""
    language = file.parent.name
    content = file.read_text(encoding="utf-8")
    front = _FRONT_MATTER.match(content)
    return SourceDocument(
        document_id=f"{domain}/{language}/{file.stem}",
        domain=domain,
        language=primary_subtag(language),
        title="",
        text=content[front.end() :] if front else content,
        source=f"{domain}/documents/{language}/{file.name}",
        roles=tuple(_roles(front["yaml"], file)) if front else (),
        origin=BUNDLED,
    )


def _roles(front_matter: str, file: Path) -> Sequence[str]:
    try:
        values = yaml.safe_load(front_matter)
    except yaml.YAMLError as error:
        raise InvalidPack("front matter", str(file), f"is not YAML: {error}") from error
    roles = values.get("roles", []) if isinstance(values, dict) else None
    if not isinstance(roles, list) or not all(isinstance(role, str) and role for role in roles):
        raise InvalidPack("front matter", str(file), "must be a mapping with a list of `roles`")
    return sorted(set(roles))
