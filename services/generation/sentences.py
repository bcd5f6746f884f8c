"""Sentences and words of English and Chinese text, as far as quoting needs them."""

from __future__ import annotations

import re

_HAN = r"\u3400-\u9fff"
_END = re.compile(r"(?<=[.!?])\s+(?=[\"“'(A-Z0-9])|(?<=[。！？；])(?=[^”』）」])")
_LATIN_WORD = re.compile(r"[a-z0-9]+(?:[.'’-][a-z0-9]+)*")
_HAN_RUN = re.compile(f"[{_HAN}]+")
# Words that say nothing of what a question is about.
_STOP_WORDS = (
    "a an the is are was were be been am do does did have has had can could will would shall should may might must i "
    "you we they he she it me my your our their its his her us them this that these those there here of to in on at by "
    "for from with about as into and or but if so not no how what when where which who whom whose why long much many "
    "get got want need like please tell any some just than then too very also up out"
)
_STOP = frozenset(_STOP_WORDS.split())
_HAN_STOP = re.compile(
    "请问|什么|怎么|怎样|如何|多久|多少|多长|为什么|哪些|哪里|哪个|哪儿|是否|能不能|可不可以|有没有|是不是|可以|可能|需要|要多|"
    "你们|我们|您们|他们|时候|时间|[的了吗呢吧啊呀我你您他她它有是]"
)
# Openings that mean nothing without the sentence before.
_LEANING = re.compile(
    r"(?:it|they|them|this|that|these|those|he|she|neither|otherwise|then|after (?:that|this)|also|but|so|however)\b"
    r"|.{0,20}\b(?:it|them)\b|也|它|这|那|之后|此外|另外|否则|但|因此|所以|然后",
    re.IGNORECASE,
)
_QUANTITY = re.compile(
    r"\bhow (?:long|much|many|soon|quickly|fast|far|often|late|old)\b|\bwhen\b|\bwhat time\b|\buntil\b|\bcost|\bprice"
    r"|多久|多少|多长|几|什么时候|何时|最晚|最多|最少",
    re.IGNORECASE,
)


def sentences(text: str) -> list[str]:
    """The sentences of one line, in order."""
    return [sentence.strip() for sentence in _END.split(text) if sentence.strip()]


def words(text: str) -> frozenset[str]:
    """What a text is about: English word stems, and pairs of Chinese characters; stop words left out."""
    lower = text.lower()
    found = {_stem(word) for word in _LATIN_WORD.findall(lower) if word not in _STOP}
    for part in _HAN_STOP.sub(" ", lower).split():
        for run in _HAN_RUN.findall(part):
            found.update(run[at : at + 2] for at in range(max(1, len(run) - 1)))
    return frozenset(found)


def leans_back(sentence: str) -> bool:
    """True where a sentence begins with a word for something the sentence before it names."""
    return _LEANING.match(sentence) is not None


def asks_quantity(question: str) -> bool:
    """True where the answer is likely a number, a price or a time."""
    return _QUANTITY.search(question) is not None


def _stem(word: str) -> str:
    """Cuts the commonest English endings; "returns", "returned" and "returning" meet."""
    for ending, rest in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + rest
    return word
