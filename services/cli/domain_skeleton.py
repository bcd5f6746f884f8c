"""The skeleton of a new pack: one request with two slots, one question, in English; valid as it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from shared.errors import InvalidInput

_FILES = {
    "pack.yaml": """\
# What can be talked about. Every field: docs/packs.md
name: NAME
version: "1"
description: Say here what this domain is about
languages: [en]
entities:                       # what slots can hold
  NAME_item:
    values:
      - {value: example, en: [example, sample]}
  amount: {kind: number}
intents:                        # what people may want; slots are asked for in this order
  NAME_request:
    slots:
      NAME_item: {required: always}
      amount: {default: "1"}
    action: NAME.request
  NAME_question:
    knowledge: true             # answered from documents/
actions:                        # what is done: each becomes a ticket, or goes to a system of yours (docs/dispatch.md)
  NAME.request: {connector: tickets, risk: low}
""",
    "sentences/en.yaml": """\
# How people say it. (one|another), [optional], <rule>, {slot}
language: en
rules:
  ask: "(i would like|give me|please get me)"
intents:
  NAME_request:
    - "<ask> [a|an] {NAME_item}"
    - "<ask> {amount} {NAME_item}"
    - "<ask> something"
  NAME_question:
    - "what is (a|an) {NAME_item}"
""",
    "replies/en.yaml": """\
# What is said. {slot} stands for a value; the first line whose values are all there is taken.
replies:
  request:
    NAME_item: ["What would you like?"]
  confirm:
    NAME.request: ["Shall I request {NAME_item}?", "Shall I do it?"]
  task_done:
    NAME.request: ["{amount} {NAME_item}: your number is {ticket_id}.", "Done."]
""",
    "documents/en/about.md": """\
# About

## What an example is

An example is what this skeleton offers until you write your own.
""",
}


def write_skeleton(folder: Path) -> Iterator[Path]:
    """Write the files into `folder`, which is new; yields each. Raises InvalidInput for a folder that cannot be one."""
    name = folder.name
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,40}", name):
        raise InvalidInput("DIR", name, "is no name for a pack; use lower-case letters, digits and _, as coffee_bar")
    if folder.exists():
        raise InvalidInput("DIR", str(folder), "is there already; name a new folder")
    for path, content in _FILES.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content.replace("NAME", name), encoding="utf-8")
        yield file
