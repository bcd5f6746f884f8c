"""Terms of a text: the same for documents and questions, for English and Chinese, on every database.

Full text is indexed over these terms instead of over a database's own tokens, so that SQLite and PostgreSQL answer
alike. Words are stemmed (Porter 2); Han and kana have no spaces and give their characters and their pairs of neighbours
(Nie et al. 2000, "On the use of words and n-grams for Chinese information retrieval").
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import snowballstemmer

_HAN = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
_RUN = re.compile(rf"(?P<han>[{_HAN}]+)|(?P<word>[^\W_{_HAN}]+)")
_APOSTROPHE = re.compile(r"(?<=\w)['’](?:s\b)?")
_STOP_WORDS = frozenset(
    """a about actually after again all also am an and any anybody anyone anything are arent as at be because been
    before being but by can cannot cant could did didnt do does doesnt doing done dont during each else ever every
    for from get gets getting give given go going gone got had has have having he hello her here hers hey hi him his
    how however i id if ill im in into is isnt it its ive just kind know let lets like look may maybe me might mine
    more most much must my myself need needs no not now of off often on once one only or other our ours out over own
    perhaps please really say see she should shouldnt so some somebody someone something still such sure take takes
    tell than thank thanks that the their theirs them then there these they thing things this those though through to
    too under until up us use using very via want wants was wasnt way we well were what when where whether which while
    who whom whose why will with within without wont would wouldnt yes yet you your yours""".split()  # noqa: SIM905 - a paragraph reads better than two hundred quoted words
)
_STOP_HAN = frozenset(
    "的了吗呢吧啊呀哦嗯么着过得地我你您他她它们这那此其是在有和与就都也还而或及但被把给让从到对向为以于上下里中"
    "个些种样次请问想要能可会应该该须需怎如何什哪谁几多少为何吃否不没别很太更最再又才只又若则之所得来去说用做"
)
_LONGEST_WORD = 64  # characters; PostgreSQL refuses terms of 2 KB
_stemmer = threading.local()  # a Snowball stemmer keeps its word in itself


@dataclass(frozen=True, slots=True)
class Question:
    """A question as full text sees it."""

    terms: tuple[str, ...]  # to search for, stop words left out, each once
    units: tuple[tuple[str, ...], ...]  # its content words and characters: a text covers one with any of its terms


def terms(text: str) -> list[str]:
    """Every term of `text`, in order, stop words included."""
    found: list[str] = []
    for kind, run in _runs(text):
        if kind == "word":
            found.append(_stem(run))
        else:
            found.extend(run)
            found.extend(_pairs(run))
    return found


def question(text: str) -> Question:
    """What of a question is worth searching for."""
    wanted: dict[str, None] = {}
    units: dict[tuple[str, ...], None] = {}
    for kind, run in _runs(text):
        if kind == "word":
            if run not in _STOP_WORDS:
                wanted[_stem(run)] = None
                units[(_stem(run),)] = None
            continue
        for place, character in enumerate(run):
            if character in _STOP_HAN:
                continue
            around = tuple(pair for pair in _pairs(run[max(0, place - 1) : place + 2]) if character in pair)
            units[around or (character,)] = None
            wanted.update(dict.fromkeys(around or (character,)))
    return Question(tuple(wanted), tuple(units))


def size(text: str) -> float:
    """Length of a text in words; Chinese counts 1.6 characters a word."""
    return sum(1.0 if kind == "word" else len(run) / 1.6 for kind, run in _runs(text))


def guess_language(text: str) -> str:
    """ "zh" where Han characters prevail, else "en": for texts whose writer did not say."""
    runs = list(_runs(text))
    han = sum(len(run) for kind, run in runs if kind == "han")
    return "zh" if han > sum(1 for kind, _ in runs if kind == "word") else "en"


def _runs(text: str) -> Iterator[tuple[str, str]]:
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    composed = unicodedata.normalize("NFKC", _APOSTROPHE.sub("", plain))
    for match in _RUN.finditer(composed):
        kind, run = match.lastgroup or "word", match.group()
        yield kind, run[:_LONGEST_WORD] if kind == "word" else run


def _pairs(run: str) -> list[str]:
    return [run[place : place + 2] for place in range(len(run) - 1)]


def _stem(word: str) -> str:
    stemmer = getattr(_stemmer, "english", None)
    if stemmer is None:
        stemmer = _stemmer.english = snowballstemmer.stemmer("english")
    return str(stemmer.stemWord(word))
