"""What the embedded registry keeps, and what it does not take."""

import pytest

from mirror.demo.store import Refusal, Store, page
from mirror.image.digest import Digest


@pytest.mark.parametrize(
    ("count", "last", "part"),
    [(None, None, (["a", "b", "c"], False)), (2, None, (["a", "b"], True)),
     (3, None, (["a", "b", "c"], False)), (2, "b", (["c"], False)), (1, "a", (["b"], True)),
     (None, "x", ([], False)), (0, None, ([], False)), (1, "aa", (["b"], True))],
)  # fmt: skip
def test_a_page_is_what_follows_the_last(
    count: int | None, last: str | None, part: tuple[list[str], bool]
) -> None:
    assert page(["a", "b", "c"], count, last) == part


def test_a_session_belongs_to_its_repository() -> None:
    store = Store()
    identifier = store.open("a")

    with pytest.raises(Refusal):
        store.session("b", identifier)
    assert store.session("a", identifier).content == b""


def test_a_failed_commit_ends_the_session() -> None:
    store = Store()
    identifier = store.open("a")

    with pytest.raises(Refusal):
        store.commit("a", identifier, str(Digest.of(b"other")))
    assert store.sessions == {}
