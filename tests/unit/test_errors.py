"""Errors say what was wrong, with what value, and what to do; their kinds say whether trying again can help."""

import inspect
import re

import pytest

from shared import errors
from shared.errors import InvalidInput, Overloaded, ParleyError, PermanentError, TransientError, Unauthenticated

pytestmark = pytest.mark.unit

EVERY_ERROR = [each for each in vars(errors).values() if inspect.isclass(each) and issubclass(each, ParleyError)]


def test_an_invalid_input_names_the_field_the_value_and_the_remedy() -> None:
    error = InvalidInput("kafka.embedded_port", 80, "is below 1024; choose a higher one")

    assert str(error) == "kafka.embedded_port: 80 is below 1024; choose a higher one"
    assert (error.field, error.remedy) == ("kafka.embedded_port", "is below 1024; choose a higher one")


def test_a_long_value_is_cut_and_the_remedy_is_not() -> None:
    text = str(InvalidInput("text", "x" * 10_000, "is too long; send 8000 characters at most"))

    assert len(text) < 200
    assert text.endswith("... is too long; send 8000 characters at most")


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_only_transient_errors_may_be_tried_again(kind: type[ParleyError]) -> None:
    assert kind.retryable == issubclass(kind, TransientError)
    grounds = [
        base for base in (InvalidInput, Unauthenticated, PermanentError, TransientError) if issubclass(kind, base)
    ]
    assert len(grounds) == (0 if kind is ParleyError else 1), f"{kind.__name__} has {grounds}"


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_shows_every_error_at_its_depth(kind: type[ParleyError]) -> None:
    line = re.search(rf"^(.*){kind.__name__}\b", errors.__doc__ or "", re.MULTILINE)

    assert line, f"{kind.__name__} is missing"
    assert len(line[1]) == 4 * (kind.__mro__.index(ParleyError))


def test_an_overload_says_when_to_come_back() -> None:
    assert Overloaded("1024 requests are waiting", retry_after=1.5).retry_after == 1.5
