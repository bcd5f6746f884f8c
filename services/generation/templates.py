"""The template backend: words acts from the packs' reply files and quotes answers from the evidence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from parley.v1 import dispatch_pb2, generation_pb2
from services.generation.answer import Quotation, quote
from services.generation.backend import Capabilities
from services.generation.naming import Said, Wording
from services.generation.replybook import Book, keys, load_books
from shared.packs import Pack

_CLARIFY = generation_pb2.DIALOGUE_ACT_TYPE_CLARIFY
_ANSWER = generation_pb2.DIALOGUE_ACT_TYPE_ANSWER
_OF_TASKS = frozenset(
    {
        generation_pb2.DIALOGUE_ACT_TYPE_TASK_DONE,
        generation_pb2.DIALOGUE_ACT_TYPE_TASK_FAILED,
        generation_pb2.DIALOGUE_ACT_TYPE_TASK_DENIED,
        generation_pb2.DIALOGUE_ACT_TYPE_TASK_UNKNOWN,
        generation_pb2.DIALOGUE_ACT_TYPE_TASK_STARTED,
        generation_pb2.DIALOGUE_ACT_TYPE_NOTIFY,
    }
)
_SAME_LANGUAGE = {"cmn": "zh", "yue": "zh"}  # Chinese languages written as the zh replies are
_FALLBACK = "en"


class TemplateBackend:
    """Says what the templates say: the same acts, results and evidence always give the same reply."""

    name = "template"

    def __init__(self, packs: Sequence[Pack]) -> None:
        """Reads the packs' reply files; raises InvalidPack."""
        self._books, digest = load_books(packs)
        self._wordings = {language: Wording(book, packs) for language, book in self._books.items()}
        self._action_of = {intent.name: intent.action for pack in packs for intent in pack.intents.values()}
        self._intent_of = {action: intent for intent, action in self._action_of.items() if action}
        self.version = f"template-{digest}"
        self.capabilities = Capabilities(languages=tuple(sorted(self._books)))

    def generate(self, request: generation_pb2.GenerateRequest) -> generation_pb2.Reply:
        """Word every act, in order, in one reply."""
        book = self._books[self.language_of(request.locale)]
        asked = any(act.type == _ANSWER for act in request.acts)
        quotation = quote(request.evidence) if asked else None
        parts: list[str] = []
        for act in request.acts:
            words = self._say(act, request, book, quotation)
            if words not in parts:  # two tasks that ended alike are told once
                parts.append(words)
        text = self._wordings[book.language].speech.space.join(parts)
        citations = quotation.citations if quotation is not None else ()
        return generation_pb2.Reply(text=text, language=book.language, citations=citations, backend=self.name)

    def language_of(self, locale: str) -> str:
        """The language a locale is answered in."""
        primary = locale.partition("-")[0].lower()
        language = _SAME_LANGUAGE.get(primary, primary)
        return language if language in self._books else _FALLBACK

    def _say(
        self,
        act: generation_pb2.DialogueAct,
        request: generation_pb2.GenerateRequest,
        book: Book,
        quotation: Quotation | None,
    ) -> str:
        result = self._result_of(act, request.task_results) if act.type in _OF_TASKS else None
        action = (
            (result.action if result else "") or act.values.get("action", "") or self._action_of.get(act.intent, "")
        )
        intent = act.intent or self._intent_of.get(action, "")
        values = {name: value for name, value in act.values.items() if value}
        if result is not None:
            values |= {name: value for name, value in result.values.items() if value}
        if act.type == _ANSWER and quotation is not None:
            values["answer"] = quotation.text
        if values.get("count", "1") not in ("0", "1"):
            values["number"] = "many"
        error_class = (result.error_class if result else "") or values.get("error_class", "")
        outcome = values.get("outcome", "").removeprefix("TRANSCRIPT_OUTCOME_").lower()
        slot = act.slot or ("intent" if act.type == _CLARIFY else "")  # without a slot the choices are intents
        said = Said(values, intent, slot, tuple(act.choices), _when(result))
        wording = self._wordings[book.language]
        for template in book.candidates(act.type, keys((action, intent), (error_class, slot, outcome))):
            words = wording.fill(template, said)
            if words:
                return wording.speech.sentence(words)
        raise AssertionError(f"act {act.type} has no default in {book.language}")  # load_books has checked

    def _result_of(
        self, act: generation_pb2.DialogueAct, results: Sequence[dispatch_pb2.TaskResult]
    ) -> dispatch_pb2.TaskResult | None:
        """The result an act tells of: by task id, else the last one of the intent's action."""
        action = self._action_of.get(act.intent, "")
        for result in reversed(results):
            if result.task_id == act.task_id if act.task_id else not action or result.action == action:
                return result
        return None


def _when(result: dispatch_pb2.TaskResult | None) -> datetime | None:
    if result is None or not result.HasField("finished_at"):
        return None
    return result.finished_at.ToDatetime(tzinfo=UTC)
