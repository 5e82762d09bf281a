"""Who does which share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.image.reference import Repository
from mirror.shard import Shard

PATHS = st.from_regex("[a-z]{1,8}(/[a-z0-9]{1,8}){0,2}", fullmatch=True)
COUNTS = st.integers(1, 12)


@given(PATHS, COUNTS)
def test_every_repository_is_of_one_share(path: str, count: int) -> None:
    repository = Repository.parse(f"d.io/{path}")
    owners = [index for index in range(1, count + 1) if Shard(index, count).owns(repository)]

    assert len(owners) == 1


@given(PATHS, COUNTS)
def test_with_one_share_more_a_repository_moves_to_that_or_not_at_all(
    path: str, count: int
) -> None:
    repository = Repository.parse(f"d.io/{path}")

    assert _owner(repository, count + 1) in (_owner(repository, count), count + 1)


def test_shares_are_about_equal_and_the_same_for_ever() -> None:
    owners = [_owner(Repository.parse(f"d.io/team/app-{number}"), 3) for number in range(300)]

    assert all(80 <= owners.count(index) <= 120 for index in (1, 2, 3))
    # What a share has today it must have tomorrow, whatever this is run with.
    assert owners[:12] == [2, 2, 3, 1, 1, 3, 1, 1, 1, 3, 1, 1]


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_a_share_is_read_as_it_is_written(one: int, other: int) -> None:
    shard = Shard(min(one, other), max(one, other))

    assert Shard.parse(str(shard)) == shard


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "-1/3", "1/3/5", "a/b", "\u0661/3",
                                  "1/10000", "1 / 3", "1/3\n"])  # fmt: skip
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a share"):
        Shard.parse(text)


def test_a_pod_of_an_indexed_job_counts_from_zero() -> None:
    pod = {"JOB_COMPLETION_INDEX": "0", "JOB_COMPLETIONS": "3"}

    assert Shard.of_job(pod) == Shard(1, 3)
    assert Shard.of_job({**pod, "JOB_COMPLETION_INDEX": "2"}) == Shard(3, 3)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "JOB_COMPLETION_INDEX and in JOB_COMPLETIONS"),
        ({"JOB_COMPLETION_INDEX": "0"}, "needs a number in JOB_COMPLETIONS"),
        ({"JOB_COMPLETION_INDEX": "x", "JOB_COMPLETIONS": "3"}, "number in JOB_COMPLETION_INDEX"),
        ({"JOB_COMPLETION_INDEX": "3", "JOB_COMPLETIONS": "3"}, "4/3 is not a share"),
    ],
)
def test_a_pod_that_is_not_told_enough_says_what_is_missing(
    environment: dict[str, str], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        Shard.of_job(environment)


def _owner(repository: Repository, count: int) -> int:
    (owner,) = (i for i in range(1, count + 1) if Shard(i, count).owns(repository))
    return owner
