"""What is logged: where an error came from, never what the user said."""

from __future__ import annotations

import logging
import sys

import pytest
import structlog

from shared.runtime import logs
from shared.settings import LogSettings

pytestmark = pytest.mark.unit
_WORDS = "call doctor miller about the rash"


def _fail() -> None:
    try:
        int(_WORDS)
    except ValueError as error:
        raise RuntimeError(f"cannot handle {_WORDS}") from error


@pytest.mark.parametrize("format_", ["console", "json"])
@pytest.mark.parametrize("library", [False, True], ids=["our logger", "a library's logger"])
def test_a_traceback_says_where_and_what_but_not_the_words(
    capsys: pytest.CaptureFixture[str], format_: str, library: bool
) -> None:
    handlers, level = logging.getLogger().handlers, logging.getLogger().level
    try:
        logs.configure(LogSettings(format=format_))
        try:
            _fail()
        except RuntimeError:
            if library:
                logging.getLogger("somebody.else").exception("it broke")
            else:
                structlog.get_logger("ours").error("it broke", exc_info=sys.exc_info()[1])
        written = capsys.readouterr().err
    finally:
        logging.getLogger().handlers = handlers
        logging.getLogger().setLevel(level)
        structlog.reset_defaults()

    assert "it broke" in written
    assert "RuntimeError" in written
    assert "ValueError" in written
    assert "in _fail" in written
    assert _WORDS not in written
