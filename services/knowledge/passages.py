"""Passages: a Markdown document cut along its structure into pieces short enough to be quoted.

A passage never crosses a heading and carries the headings above it as its title. What stands under one heading is one
passage of up to `LIMIT` words; what is longer is cut between rows, items or sentences into parts of about `TARGET`.
"""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from markdown_it import MarkdownIt
from markdown_it.token import Token

from services.knowledge.terms import size

TARGET = 100.0  # words
LIMIT = 120.0
VERSION = "1"  # part of every content hash: a change here cuts all documents again

_HAN = r"[\u3000-\u303f\u3040-\u30ff\u3400-\u9fff\uff00-\uffef]"
_SOFT_BREAK = re.compile(rf"(?<={_HAN})\n(?={_HAN})")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[\"“'(A-Z0-9])|(?<=[。！？；])(?=[^”』）])")
_TAG = re.compile(r"<[^>]*>")
_SLUG_GAP = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Piece:
    """One passage of a document."""

    anchor: str  # stable within the document: the slug of its heading, numbered where several pieces share one
    title: str  # headings down to the piece, " > " between
    text: str  # plain: markup removed, a table's row as "Header: cell; Header: cell"


@dataclass(slots=True)
class _Section:
    headings: list[str]
    lines: list[str] = field(default_factory=list)  # atoms that need not be cut: sentences' paragraph, item, row


def split(text: str, title: str = "") -> list[Piece]:
    """Cut the Markdown in `text`; `title` names the document where it has no heading of level 1."""
    sections = _sections(MarkdownIt("commonmark").enable("table").parse(text), title)
    pieces: list[Piece] = []
    used: dict[str, int] = {}
    for section in sections:
        slug = _SLUG_GAP.sub("-", section.headings[-1].casefold()).strip("-")[:80] if section.headings else ""
        for body in _merge(section.lines):
            used[slug] = used.get(slug, 0) + 1
            anchor = slug or "top"
            pieces.append(
                Piece(
                    anchor=anchor if used[slug] == 1 else f"{anchor}.{used[slug]}",
                    title=" > ".join(section.headings),
                    text=body,
                )
            )
    return pieces


def _sections(tokens: Sequence[Token], title: str) -> list[_Section]:
    path: dict[int, str] = {0: title} if title else {}
    current = _Section(list(path.values()))
    sections = [current]
    place = 0
    while place < len(tokens):
        token = tokens[place]
        end = _end_of(tokens, place)
        if token.type == "heading_open":
            level = int(token.tag[1:])
            heading = _inline(tokens[place + 1])
            path = {depth: name for depth, name in path.items() if depth < level and name != heading}
            path[level] = heading
            current = _Section([name for _, name in sorted(path.items())])
            sections.append(current)
        else:
            current.lines.extend(line for line in _lines(tokens[place:end]) if line)
        place = end
    return [section for section in sections if section.lines]


def _end_of(tokens: Sequence[Token], place: int) -> int:
    """One past the last token of the block that begins at `place`."""
    depth = 0
    for index in range(place, len(tokens)):
        depth += tokens[index].nesting
        if depth == 0:
            return index + 1
    return len(tokens)


def _lines(block: Sequence[Token]) -> Iterator[str]:
    """The plain lines of one block: a paragraph is one, so are each list item and each row of a table."""
    if block[0].type == "table_open":
        yield from _rows(block)
        return
    marker, counters = "", []
    for token in block:
        if token.type == "ordered_list_open":
            counters.append(int(token.attrGet("start") or 1))
        elif token.type == "bullet_list_open":
            counters.append(0)
        elif token.type in ("ordered_list_close", "bullet_list_close"):
            counters.pop()
        elif token.type == "list_item_open":
            marker = f"{counters[-1]}. " if counters[-1] else "- "
            counters[-1] += 1 if counters[-1] else 0
        elif token.type == "inline":
            yield marker + _inline(token)
            marker = ""
        elif token.type in ("fence", "code_block", "html_block"):
            yield _TAG.sub("", token.content).strip() if token.type == "html_block" else token.content.strip()


def _rows(block: Sequence[Token]) -> Iterator[str]:
    headers: list[str] = []
    cells: list[str] = []
    in_head = False
    for token in block:
        if token.type in ("thead_open", "thead_close"):
            in_head = token.type == "thead_open"
        elif token.type == "inline":
            cells.append(_inline(token))
        elif token.type == "tr_close":
            if in_head:
                headers = cells
            else:
                yield _row(headers, cells)
            cells = []


def _row(headers: Sequence[str], cells: Sequence[str]) -> str:
    wide = re.search(_HAN, "".join(headers)) is not None
    colon, semicolon = ("：", "；") if wide else (": ", "; ")
    pairs = zip(headers, cells, strict=False)
    return semicolon.join(f"{header}{colon}{cell}" if header else cell for header, cell in pairs if cell)


def _inline(token: Token) -> str:
    """The words of an inline token without its markup."""
    words: list[str] = []
    for child in token.children or []:
        if child.type in ("text", "code_inline", "image"):
            words.append(child.content)
        elif child.type in ("softbreak", "hardbreak"):
            words.append("\n")
    return _SOFT_BREAK.sub("", "".join(words)).replace("\n", " ").strip()


def _merge(lines: Sequence[str]) -> Iterator[str]:
    """Lines packed into passages of LIMIT words at most, all about equally long, so that no scrap is left over."""
    total = sum(map(size, lines))
    goal = total / math.ceil(total / TARGET) if total > LIMIT else LIMIT
    packed: list[str] = []
    words = 0.0
    for atom, glue in _atoms(lines):
        length = size(atom)
        if packed and (words + length > LIMIT or words >= goal):
            yield "".join(packed).strip()
            packed, words = [], 0.0
        packed.extend((glue, atom) if packed else (atom,))
        words += length
    if packed:
        yield "".join(packed).strip()


def _atoms(lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Pieces that are not cut, each with what joins it to the one before."""
    for line in lines:
        if size(line) <= LIMIT:
            yield line, "\n"
            continue
        sentences = [part for sentence in _SENTENCE_END.split(line) for part in _cut(sentence)]
        for number, sentence in enumerate(sentences):
            glue = "" if re.match(_HAN, sentence) else " "
            yield sentence, glue if number else "\n"


def _cut(sentence: str) -> list[str]:
    """A sentence as it is; one that is longer than a passage may be, in lines of at most that length."""
    if size(sentence) <= LIMIT:
        return [sentence]
    width = int(LIMIT * len(sentence) / size(sentence))
    return textwrap.wrap(sentence, max(40, width), break_on_hyphens=False)
