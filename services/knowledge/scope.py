"""What a search may see: the same rule over rows in SQL and over vectors in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace

import sqlalchemy as sa

from services.knowledge.storage import PassageRow, RoleRow


@dataclass(frozen=True, slots=True)
class Audience:
    """What decides who may find a passage, and for which questions."""

    domain: str
    language: str
    roles: frozenset[str]  # empty: everyone


@dataclass(frozen=True, slots=True)
class Scope:
    """The passages one search may find."""

    roles: frozenset[str]  # of whoever asks
    domains: frozenset[str] = frozenset()  # empty: all
    language: str = ""  # empty: all
    other_languages: bool = False  # True: all languages but `language`

    def in_other_languages(self) -> Scope:
        """The same scope in every language but its own."""
        return replace(self, other_languages=True)

    def sees(self, audience: Audience) -> bool:
        """Whether passages of this audience may be found."""
        return (
            (not self.domains or audience.domain in self.domains)
            and self.speaks(audience)
            and (not audience.roles or not self.roles.isdisjoint(audience.roles))
        )

    def speaks(self, audience: Audience) -> bool:
        """Whether the language is one of the scope's, whoever may see the passage."""
        return not self.language or (audience.language == self.language) is not self.other_languages

    def conditions(self) -> list[sa.ColumnElement[bool]]:
        """`sees`, as conditions on PassageRow."""
        allowed = sa.exists().where(RoleRow.document_id == PassageRow.document_id, RoleRow.role.in_(sorted(self.roles)))
        found: list[sa.ColumnElement[bool]] = [sa.or_(PassageRow.restricted.is_(False), allowed)]
        if self.domains:
            found.append(PassageRow.domain.in_(sorted(self.domains)))
        if self.language and self.other_languages:
            found.append(PassageRow.language != self.language)
        elif self.language:
            found.append(PassageRow.language == self.language)
        return found
