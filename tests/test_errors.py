"""Errors: what they say, where they happened, what the process returns for them."""

import inspect

import pytest
from distributed.protocol.pickle import dumps, loads

from mirror import errors
from mirror.errors import MirrorError, NotFound, placed
from mirror.exit_code import ExitCode
from mirror.place import Place, Side

HERE = Place(Side.SOURCE, "q.io/a:1", "reading the manifest")
KINDS = [k for _, k in inspect.getmembers(errors, inspect.isclass) if issubclass(k, MirrorError)]
CATEGORIES = {"auth", "not_found", "rate_limited", "too_large", "registry", "network",
              "integrity", "policy", "unsupported"}  # fmt: skip


def test_an_error_says_side_reference_attempt_and_answer() -> None:
    error = NotFound("404 Not Found").at(HERE)

    assert str(error) == "source q.io/a:1: reading the manifest: 404 Not Found"


def test_the_innermost_place_stays() -> None:
    with (
        pytest.raises(NotFound) as caught,
        placed(Place(Side.DESTINATION, "x", "y")),
        placed(HERE),
    ):
        raise NotFound("gone")
    assert caught.value.place == HERE


def test_an_error_is_a_value_of_which_others_are_made() -> None:
    cause = KeyError("x")
    error = NotFound("gone", hint="look left")
    error.__cause__ = cause

    other = error.but(retryable=True, attempts=3)

    assert (other.message, other.hint, other.retryable, other.attempts) == (
        "gone", "look left", True, 3,
    )  # fmt: skip
    assert other.__cause__ is cause
    assert (error.retryable, error.attempts) == (False, 1)
    with pytest.raises(AttributeError, match="but"):
        error.attempts = 2


def test_a_hint_can_be_the_errors_own() -> None:
    assert NotFound("x", hint="look left").hint == "look left"
    assert NotFound("x").hint == NotFound.hint != ""


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_has_a_category_and_a_place_in_the_docstring(kind: type[MirrorError]) -> None:
    assert kind.category in CATEGORIES
    assert kind.__name__ in (errors.__doc__ or "")


def test_usage_errors_are_told_apart_from_failures() -> None:
    assert errors.MappingError(("f:1: x", "f:2: y")).exit_code is ExitCode.USAGE
    assert str(errors.MappingError(("f:1: x", "f:2: y"))) == "f:1: x\nf:2: y"
    assert MirrorError.exit_code is ExitCode.FAILED


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_goes_to_another_process_whole(kind: type[MirrorError]) -> None:
    error = made(kind).at(HERE).but(hint="look left", attempts=3)
    arrived = loads(dumps(error))

    assert type(arrived) is kind
    assert (str(arrived), arrived.args) == (str(error), error.args)
    assert vars(arrived) == vars(error)


def made(kind: type[MirrorError]) -> MirrorError:
    if issubclass(kind, errors.DigestMismatch):
        return kind(expected="sha256:1", actual="sha256:2")
    if issubclass(kind, errors.SizeMismatch):
        return kind(expected=1, actual=2)
    if issubclass(kind, errors.MappingError):
        return kind(("a:1: no", "a:2: no"))
    return kind("it says no")
