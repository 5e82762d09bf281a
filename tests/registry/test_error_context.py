"""An error says on which side it happened, with what, and what may help there."""

import pytest
from msgspec.structs import replace

from mirror.effort import Effort, effort_of
from mirror.errors import Denied, MirrorError, NetworkError, NotFound
from mirror.image.reference import Repository
from mirror.place import Place, Side
from mirror.registry.error_context import ErrorContext
from tests.registry.scripted import answer

SOURCE = ErrorContext(Repository.parse("r.io/team/app"), Side.SOURCE)
ECR = Repository.parse("1.dkr.ecr.eu-west-1.amazonaws.com/a")


def raised(context: ErrorContext, error: Exception, target: str = "") -> MirrorError:
    with pytest.raises(MirrorError) as caught, context.doing("reading", target):
        raise error
    return caught.value


@pytest.mark.parametrize(
    ("target", "reference"),
    [("", "r.io/team/app"), ("v1", "r.io/team/app:v1"), ("sha256:ab", "r.io/team/app@sha256:ab")],
)
def test_an_error_says_where_it_happened(target: str, reference: str) -> None:
    assert str(raised(SOURCE, NetworkError("lost"), target)) == f"source {reference}: reading: lost"


def test_an_error_keeps_its_kind_its_cause_and_the_innermost_place() -> None:
    inner, cause = Place(Side.DESTINATION, "other.io/b", "writing"), OSError("reset")
    lost = NetworkError("lost").at(inner)
    lost.__cause__ = cause
    error = raised(SOURCE, lost)

    assert (type(error), error.place, error.__cause__) == (NetworkError, inner, cause)


def test_a_fault_of_the_program_passes_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError), SOURCE.doing("reading"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("side", "hint"), [(Side.DESTINATION, "aws ecr create"), (Side.SOURCE, "Check the name")]
)
def test_the_hint_fits_the_registry_and_the_side(side: Side, hint: str) -> None:
    assert hint in raised(ErrorContext(ECR, side), NotFound("404")).hint


async def test_the_attempts_behind_an_answer_or_an_error_count_as_effort() -> None:
    good, bad, lost = Effort(), Effort(), Effort()
    with effort_of(good):
        await SOURCE.expect(replace(answer(200), attempts=2), 200)
    with effort_of(bad), pytest.raises(Denied):
        await SOURCE.expect(replace(answer(403), attempts=3), 200)
    with effort_of(lost):
        raised(SOURCE, NetworkError("lost", attempts=4))

    assert (good.attempts, bad.attempts, lost.attempts) == (2, 3, 4)
