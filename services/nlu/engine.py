"""The engine: text in; language, intent, slots and doubt out.

A text that a template of the packs produces is understood beyond doubt; any other is read by the model of its language.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo
from itertools import islice

from parley.v1 import nlu_pb2
from services.nlu.artifact import Models
from services.nlu.clauses import Clause, clauses, is_bare, partings, whole
from services.nlu.corpus import LANGUAGES, OUT_OF_SCOPE, read_sentences
from services.nlu.language import detect
from services.nlu.lexicon import Lexicon
from services.nlu.model import Reading
from services.nlu.model.calibration import best_in_scope
from services.nlu.normalisation import NormalText, normalise
from services.nlu.slots import FoundSlot, SlotFinder
from services.nlu.templates import TemplateMatch, Templates
from shared.errors import InvalidArtifact
from shared.packs import Pack

TEMPLATE, MODEL, NONE = "template", "model", "none"
_ALTERNATIVES = 4
_MOST_SLOTS = 64
_LONGEST_MATCHED = 200  # characters; what is longer is no template's sentence, and costly to compare with all
_LEAST_ALTERNATIVE = 0.01
_SURE = 0.8  # of a part of a sentence that the model reads by itself


def _now() -> datetime:
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class Request:
    """One text to understand. `locale`: BCP 47, may be empty; `said_at`: aware, what "tomorrow" counts from."""

    text: str
    locale: str = ""
    said_at: datetime = field(default_factory=_now)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A text for the model: the request's place, and whether a template already says that it is out of scope."""

    index: int
    text: NormalText
    now: datetime
    refused: bool


class NluEngine:
    """Understands texts within the packs. Not thread-safe: one batch at a time.

    `zone`: where "at eight" is meant; None is the machine's own zone.
    """

    def __init__(self, packs: Sequence[Pack], models: Models, zone: tzinfo | None = None) -> None:
        known = {intent for pack in packs for intent in pack.intents} | {OUT_OF_SCOPE} | set(models.domains)
        if unknown := set(models.labels.intents) - known:
            raise InvalidArtifact("labels.json", sorted(unknown), "are of no loaded pack; train the model again")
        self.version = models.version
        self._zone = zone
        self._models = models
        self._acting = {intent.name for pack in packs for intent in pack.intents.values() if intent.action}
        self._domains = {intent: pack.name for pack in packs for intent in pack.intents} | models.domains
        lexicon = Lexicon(packs)
        self._slots = SlotFinder(packs, lexicon)
        self._templates = {
            language: Templates(packs, read_sentences(packs, language), lexicon) for language in LANGUAGES
        }

    def warm_up(self) -> None:
        """Do once what is slow the first time."""
        self.understand_batch([Request("hello"), Request("你好")])
        for reader in self._models.readers.values():
            reader.read(["hello 你好"])

    def understand_batch(self, requests: Sequence[Request]) -> list[nlu_pb2.Understanding]:
        """One understanding a request, in order. A text that asks for several things has one for each part too."""
        understood = self._understand(requests)
        runs = {
            index: found
            for index, (request, each) in enumerate(zip(requests, understood, strict=True))
            if each.decided_by == MODEL and len(request.text) <= _LONGEST_MATCHED
            if (found := clauses(request.text, each.language))
        }
        asked = [(index, clause) for index, found in runs.items() for run in found for clause in run]
        parts = self._understand(
            [replace(requests[index], text=requests[index].text[clause.start : clause.end]) for index, clause in asked]
        )
        by_clause = dict(zip(asked, parts, strict=True))
        for index, found in runs.items():
            understood[index] = self._parted(requests[index].text, index, found, by_clause) or understood[index]
        return understood

    def _parted(
        self,
        text: str,
        index: int,
        runs: list[list[Clause]],
        parts: Mapping[tuple[int, Clause], nlu_pb2.Understanding],
    ) -> nlu_pb2.Understanding | None:
        """The understanding of a text in several requests, or None where it is no such text."""

        def stands(clause: Clause) -> bool:
            part = parts[index, clause]
            sure = part.decided_by == TEMPLATE or part.confidence >= _SURE
            acts = part.intent in self._acting and not part.out_of_scope
            return sure and acts and not is_bare(text[clause.start : clause.end], part)

        best = partings(runs, stands)
        return whole(text, {clause: parts[index, clause] for clause in best}) if len(best) > 1 else None

    def _understand(self, requests: Sequence[Request]) -> list[nlu_pb2.Understanding]:
        """One understanding a request, each text taken as a whole."""
        results: dict[int, nlu_pb2.Understanding] = {}
        waiting: dict[str, list[_Waiting]] = {}
        for index, request in enumerate(requests):
            language = detect(request.text, request.locale)
            text = normalise(request.text)
            now = request.said_at.astimezone(self._zone)
            if language not in self._models.readers or not text.text:
                results[index] = nlu_pb2.Understanding(language=language, out_of_scope=True, decided_by=NONE)
                continue
            match = self._match(text, language, now)
            if match is None or match.intent == OUT_OF_SCOPE:
                waiting.setdefault(language, []).append(_Waiting(index, text, now, refused=match is not None))
            else:
                results[index] = self._certain(text, language, match, now)
        for language, texts in waiting.items():
            readings = self._models.readers[language].read([each.text.text for each in texts])
            for each, reading in zip(texts, readings, strict=True):
                results[each.index] = self._judge(each, language, reading)
        return [results[index] for index in range(len(requests))]

    def _match(self, text: NormalText, language: str, now: datetime) -> TemplateMatch | None:
        if len(text.text) > _LONGEST_MATCHED:
            return None
        match = self._templates[language].match(text.text, now)
        # A model of labelled sentences serves the intents it learnt alone. A pack that came after the packs' own model
        # was trained is served by its templates already.
        of_its_own = bool(self._models.domains)
        return None if match is not None and of_its_own and match.intent not in self._models.labels.intents else match

    def _certain(self, text: NormalText, language: str, match: TemplateMatch, now: datetime) -> nlu_pb2.Understanding:
        slots = self._slots.of_template(text, language, match.intent, match.slots, now)
        return nlu_pb2.Understanding(
            language=language,
            intent=match.intent,
            domain=self._domains[match.intent],
            confidence=1.0,
            slots=_written(text, slots),
            decided_by=TEMPLATE,
        )

    def _judge(self, waiting: _Waiting, language: str, reading: Reading) -> nlu_pb2.Understanding:
        text, now = waiting.text, waiting.now
        labels, calibration = self._models.labels, self._models.calibrations[language]
        shares = calibration.probabilities(reading.logits)
        best, score = best_in_scope(labels, shares)
        intent = labels.intents[int(best)]
        outside = waiting.refused or bool(calibration.outside(labels, reading.logits, score))
        others = sorted(
            ((float(share), name) for name, share in zip(labels.intents, shares, strict=True)
             if name not in (intent, OUT_OF_SCOPE) and share >= _LEAST_ALTERNATIVE),
            reverse=True,
        )  # fmt: skip
        slots = self._slots.of_tags(text, language, "" if outside else intent, reading.spans, now)
        return nlu_pb2.Understanding(
            language=language,
            intent=intent,
            domain=self._domains[intent],
            confidence=min(1.0, float(score)),
            alternatives=[nlu_pb2.IntentScore(intent=name, confidence=share) for share, name in others[:_ALTERNATIVES]],
            slots=_written(text, slots),
            out_of_scope=outside,
            decided_by=TEMPLATE if waiting.refused else MODEL,
        )


def _written(text: NormalText, slots: Iterable[FoundSlot]) -> list[nlu_pb2.Slot]:
    """Slots in the characters of the original text."""
    written = []
    for slot in islice(slots, _MOST_SLOTS):
        start, end = text.span(slot.start, slot.end)
        written.append(
            nlu_pb2.Slot(
                name=slot.name,
                value=slot.value,
                text=text.original[start:end],
                start=start,
                end=end,
                confidence=min(1.0, slot.confidence),
            )
        )
    return written
