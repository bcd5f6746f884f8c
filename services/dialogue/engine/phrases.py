"""Closed classes of words that steer a conversation, in English and Chinese: yes and no, pronouns, question words.

Understanding is nlu's work. These few words are read here as well, because a bare "yes", "it" or "and the bedroom?"
means something only to whoever knows what was said before.
"""

from __future__ import annotations

import re

_PUNCTUATION = re.compile(r"[^\w\s']+|_")
_HAN = re.compile(r"[\u3400-\u9fff]")


def _phrases(text: str) -> frozenset[str]:
    return frozenset(text.split("|"))


# Whole utterances, as `normalised` writes them.
_YES = _phrases(
    "yes|yeah|yep|yup|sure|ok|okay|correct|please do|do it|go ahead|yes please|of course|yes do it|confirm|"
    "是|是的|对|对的|好|好的|好啊|可以|行|确认|确定|没错|当然|请执行"
)
_NO = _phrases("no|nope|nah|no thanks|no thank you|don't|do not|不|不要|不用|不用了|不是|不行|别|不可以|否")
_CANCEL = _phrases(
    "cancel|cancel that|cancel it|stop|stop it|stop that|never mind|nevermind|forget it|forget that|abort|"
    "取消|取消吧|算了|停|停止|停下|别弄了|不用管了|当我没说"
)
_SWITCHES = ((_CANCEL, "cancel"), (_YES, "affirm"), (_NO, "deny"))

_LEADING_YES = re.compile(r"^\W*(?:(?:yes|yeah|yep|sure|ok|okay)\b|是的|对|好的|确认|可以)", re.IGNORECASE)
_NEGATION = re.compile(r"\b(not|don't|dont|never|no|nope|wait)\b|不|别|没(?!错)", re.IGNORECASE)
_NOT_THE_THING = r"(?!\s+(?:morning|afternoon|evening|night|week|month|year|room|time|way|floor)\b)"
_DEMONSTRATIVE = re.compile(rf"\b(?:that|those|these|this){_NOT_THE_THING}\b|[这那](?:个|些|盏|台|扇)", re.IGNORECASE)
_PERSONAL = re.compile(r"\b(?:it|them)\b|[它牠]们?", re.IGNORECASE)
_THERE = re.compile(r"\bthere\b|那里|那儿|那边", re.IGNORECASE)
# "there" that points nowhere.
_NOT_A_PLACE = re.compile(
    r"\b(?:is|are|was|were|will) there\b|\bthere(?:'s|'re| is| are| was| were| will)\b|\b(?:hi|hello|hey) there\b",
    re.IGNORECASE,
)
_FOLLOW_UP = re.compile(
    r"^\W*(?:and|also|what about|how about|now|then)\b|\b(?:too|as well|also)\W*$"
    r"|^\W*(?:还有|那么?|再|也)|[呢也]\W*$|也(?:一样|要|是)\W*$",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"[?？]\s*$"
    r"|^\W*(?:who|what|when|where|why|which|whose|how|is|are|was|were|do|does|did|can|could|may|will|would|should|have|has)\b"
    r"|^\W*(?:tell me|i want to know|i'd like to know)\b"
    r"|什么|怎么|怎样|如何|哪|谁|几|多[少久长大高远重快深]|为什么|为何|是否|能否|吗|能不能|可不可以|是不是|有没有",
    re.IGNORECASE,
)
# What an answer may carry around its value.
_FILLER = re.compile(
    r"\b(?:in|on|at|to|for|of|the|a|an|my|our|please|just|um|uh|er|well|one|room|i|mean|want|it's|its|it|is|that's|make|set|and|"
    r"also|what|how|about|now|then|too|as|yes|yeah|no|nope|not|actually|sorry|only)\b"
    r"|[在的请吧里呢嗯呃那个就是要我把还有也再么和跟与不对好先]|房间|percent|degrees?|度|%|％|°",
    re.IGNORECASE,
)


def normalised(text: str) -> str:
    """Lower case, without punctuation, single spaces."""
    return " ".join(_PUNCTUATION.sub(" ", text.replace("’", "'")).casefold().split())


def switch_word(text: str) -> str:
    """The conversation intent ("affirm", "deny", "cancel") that `text` as a whole stands for, or empty."""
    spoken = normalised(text)
    return next((intent for words, intent in _SWITCHES if spoken in words), "")


def negates(text: str) -> bool:
    """True where a yes in `text` cannot be taken for one."""
    return _NEGATION.search(text.replace("’", "'")) is not None


def begins_with_yes(text: str) -> bool:
    """True where `text` begins with a yes and has no negation in it."""
    return _LEADING_YES.search(text) is not None and not negates(text)


def has_pronoun(text: str) -> bool:
    """True where `text` points at a thing named before."""
    return _PERSONAL.search(text) is not None or demonstrates(text)


def demonstrates(text: str) -> bool:
    """True where `text` points at a thing it may name as well: "that light", "那个灯"."""
    return _DEMONSTRATIVE.search(text) is not None


def points_there(text: str) -> bool:
    """True where `text` points at a place named before."""
    return _THERE.search(_NOT_A_PLACE.sub(" ", text)) is not None


def follows_up(text: str) -> bool:
    """True where `text` takes up the last request: "and the bedroom?", "卧室呢"."""
    return _FOLLOW_UP.search(text) is not None


def asks(text: str) -> bool:
    """True where `text` looks like a question."""
    return _QUESTION.search(text) is not None


def is_filler(text: str) -> bool:
    """True where nothing is left of `text` without the words that merely surround a value."""
    return not normalised(_FILLER.sub(" ", text.replace("’", "'")))


def language_of(text: str) -> str:
    """ "zh" where `text` has Chinese characters, else "en"."""
    return "zh" if _HAN.search(text) else "en"
