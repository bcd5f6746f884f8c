"""What to expect of an utterance: from its conversation's context, or where there is none, from the packs."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from services.asr.contexts import Contexts
from services.asr.engine.context.domain import Domain
from services.asr.engine.context.expectation import Asked, Expectation
from shared.errors import InvalidInput
from shared.packs import EntityType, Pack

KINDS = ("number", "code", "percentage", "temperature", "duration", "time", "money")
_USUAL = "en"


class Expecting:
    """Makes the expectation of each utterance; the packs' language models are made once."""

    def __init__(self, packs: Sequence[Pack], contexts: Contexts | None = None) -> None:
        self._packs = {pack.name: pack for pack in packs}
        self._contexts = contexts or Contexts(0)
        self._domains: dict[tuple[str, str], Domain] = {}
        self._lock = threading.Lock()

    def load(self) -> None:
        """Make the models of the usual language, so that the first utterance need not wait for them."""
        self.of_packs(self._packs).fit(("yes",))

    def of_conversation(self, conversation_id: str, locale: str) -> Expectation | None:
        """What the next utterance of a conversation may be about; None where no pack speaks its language."""
        context = self._contexts.of(conversation_id) if conversation_id else None
        if context is None:
            return self.of_packs(self._packs, locale)
        names = [name for name in context.active_packs if name in self._packs] or list(self._packs)
        language = _language(locale or context.locale)
        domains = self._of_language(names, language)
        if not domains:
            return None
        return Expectation(
            domains,
            names=tuple(context.entity_names),
            asked=_asked(context.requested_slot, domains, language),
            last_reply=context.last_reply,
            revision=context.revision,
        )

    def of_packs(self, names: Iterable[str], locale: str = "", expect: str = "") -> Expectation:
        """What is expected where the packs are all that is known; `expect`: a kind of answer that was asked for."""
        if expect and expect not in KINDS:
            raise InvalidInput("expect", expect, f"is no kind of answer; use one of {', '.join(KINDS)}")
        asked = Asked(expect) if expect else None
        return Expectation(self._of_language(list(names), _language(locale)), asked=asked)

    def _of_language(self, names: Sequence[str], language: str) -> tuple[Domain, ...]:
        with self._lock:
            packs = [self._packs[name] for name in names if language in self._packs[name].languages]
            for pack in packs:
                self._domains.setdefault((pack.name, language), Domain(pack, language))
            return tuple(self._domains[pack.name, language] for pack in packs)


def _language(locale: str) -> str:
    return (locale or _USUAL).partition("-")[0].lower()


def _asked(slot: str, domains: Sequence[Domain], language: str) -> Asked | None:
    """The slot that dialogue asked for, as the likeliest pack that has it defines it."""
    for domain in domains:
        for intent in domain.pack.intents.values():
            if slot and slot in intent.slots:
                return _asked_for(domain.pack.entities[intent.slots[slot].entity], language)
    return None


def _asked_for(entity: EntityType, language: str) -> Asked | None:
    """Free text may be anything, so nothing is expected of it."""
    if entity.kind == "text":
        return None
    names = tuple(form for value in entity.values for form in value.forms.get(language, ()))
    return Asked(entity.kind, names)
