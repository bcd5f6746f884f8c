"""Between what was heard plainly and what was heard with context: which one is believed.

A hypothesis is worth what the sound says for it (its probability without any context) and what the domain says for it.
The sound has the last word: a text that it makes much less likely than what was heard plainly never wins, nor does one
that the domain hardly knows, however the prompt may have lured the decoder there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from services.asr.engine.context.wording import words
from services.asr.engine.interface import BIASED, PLAIN, Candidate, Expected, Passage, Prompt, Weighed, Weighing

Words = tuple[str, ...]


class Decoder(Protocol):
    """One clip, encoded."""

    def hypotheses(self, prompt: Prompt, vocabulary: frozenset[str] = frozenset()) -> Sequence[Candidate]:
        """What is heard with a prompt, best first; of these words alone where there are any."""
        ...

    def acoustic(self, text: str) -> float:
        """Natural logarithm of the text's probability without any prompt."""
        ...


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each side counts; natural logarithms. Chosen on spoken coffee orders and 12 home commands."""

    fit: float = 0.5
    fit_of_answer: float = 0.8  # where a question was asked: what else somebody may say is rare
    word: float = 1.0  # for each word: without it, texts that leave words out win
    margin: float = 1.0  # by how much another text must be worth more than the plain one
    most_loss: float = 6.0  # of acoustic probability against the plain text
    most_loss_of_answer: float = 7.5  # the same, where a question was asked
    least_fit: float = -6.0  # a word of a text, its end counted too
    most_hypotheses: int = 10
    most_within: int = 3  # of those found within the domain's own words
    # Of the plain text: with these it is believed without another look.
    sure_fit: float = -3.2
    sure_log_probability: float = -0.6
    # And with these it is speech about something else.
    foreign_fit: float = -8.0
    foreign_words: int = 6
    foreign_log_probability: float = -0.35


def weigh(plain: Passage, decoder: Decoder, expected: Expected, weights: Weights) -> Weighing:
    """Hear the clip again with what is expected, unless what was heard plainly settles it, and choose."""
    heard = words(plain.text)
    if reason := _settled(plain, heard, expected, weights):
        return Weighing(PLAIN, reason, plain.text)
    texts: dict[Words, tuple[Candidate, str]] = {heard: (Candidate(plain.text, plain.log_probability), PLAIN)}
    prompt = expected.prompt()
    biased = [*decoder.hypotheses(prompt), *decoder.hypotheses(prompt, expected.vocabulary())[: weights.most_within]]
    for candidate, source in (*((each, BIASED) for each in biased), *((each, PLAIN) for each in plain.alternatives)):
        said = words(candidate.text)
        if said and said not in texts and len(texts) < weights.most_hypotheses:
            texts[said] = candidate, source
    weighed = {
        said: Weighed(
            candidate.text, source, candidate.log_probability, decoder.acoustic(candidate.text), expected.fit(said)
        )
        for said, (candidate, source) in texts.items()
    }
    return _choose(heard, weighed, expected, weights)


def _settled(plain: Passage, heard: Words, expected: Expected, weights: Weights) -> str:
    """Why there is no need to listen again, or empty."""
    certain = plain.log_probability >= weights.sure_log_probability
    if heard and certain and expected.fit(heard) / (len(heard) + 1) >= weights.sure_fit:
        return "what was heard plainly is expected"
    sure = plain.log_probability >= weights.foreign_log_probability
    if len(heard) >= weights.foreign_words and sure and expected.fit(heard) / (len(heard) + 1) < weights.foreign_fit:
        return "clear speech about something else"
    return ""


def _choose(heard: Words, weighed: dict[Words, Weighed], expected: Expected, weights: Weights) -> Weighing:
    fit = weights.fit_of_answer if expected.answer else weights.fit

    def worth(said: Words) -> float:
        return weighed[said].acoustic + fit * weighed[said].fit + weights.word * len(said)

    plain = weighed[heard]
    eligible = [said for said in weighed if said == heard or _may_win(said, heard, weighed, expected, weights)]
    best = max(eligible, key=worth)
    if best != heard and worth(best) < worth(heard) + weights.margin:
        best = heard
    ordered = [best, *sorted((said for said in weighed if said != best), key=worth, reverse=True)]
    if best == heard:
        reason = "no other text is worth more"
    else:
        lost = plain.acoustic - weighed[best].acoustic
        gained = weighed[best].fit - plain.fit
        reason = f"fits by {gained:.1f} better, sounds by {lost:.1f} worse"
    chosen = PLAIN if best == heard else BIASED
    answers = expected.answer and weighed[best].fit / (len(best) + 1) >= weights.sure_fit
    return Weighing(chosen, reason, plain.text, tuple(weighed[said] for said in ordered), answers)


def _may_win(said: Words, heard: Words, weighed: dict[Words, Weighed], expected: Expected, weights: Weights) -> bool:
    """The guard: what the sound contradicts, what the domain does not know, and what leaves half out never wins."""
    text = weighed[said]
    most_loss = weights.most_loss_of_answer if expected.answer else weights.most_loss
    close = weighed[heard].acoustic - text.acoustic <= most_loss
    expectable = text.fit / (len(said) + 1) >= weights.least_fit
    length, plain_length = len("".join(said)), len("".join(heard))
    complete = expected.answer or plain_length <= 2 * length <= 4 * max(plain_length, 1)
    return close and expectable and complete
