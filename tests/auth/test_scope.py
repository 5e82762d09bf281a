"""What tokens must allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.auth.scope import OTHERS_LIMIT, Scope, Scopes, covers, merge, widen

A, B = Scope.push("a"), Scope.pull("b")


@pytest.mark.parametrize(
    "text", ["repository:team/app:pull,push", "registry:catalog:*", "repository:host:5000/a:pull"]
)
def test_parse_and_print_are_inverse(text: str) -> None:
    assert str(Scope.parse(text)) == text


@pytest.mark.parametrize("text", ["", "repository", "repository:a", "::", ":a:pull"])
def test_what_is_no_scope_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a scope"):
        Scope.parse(text)


def test_one_resource_is_one_entry_with_all_its_actions() -> None:
    assert merge((Scope.pull("a"), B, A)) == (A, B)


def test_more_covers_less() -> None:
    assert covers((A, B), (Scope.pull("a"),))
    assert not covers((Scope.pull("a"),), (A,))
    assert not covers((A,), (B,))
    assert covers((), ())


def test_long_names_make_a_short_list() -> None:
    have: Scopes = ()
    for number in range(20):
        have = widen(have, (A, Scope.pull(f"{'n' * 240}{number}")))

    assert sum(len(str(scope)) for scope in have) < 2000


scopes = st.lists(
    st.builds(Scope.pull, st.sampled_from([f"r{n}" for n in range(30)])), min_size=1, max_size=9
).map(lambda found: merge((A, *found)))


@given(st.lists(scopes, max_size=8), scopes)
def test_what_is_asked_for_covers_the_need_and_stays_short(
    before: list[Scopes], need: Scopes
) -> None:
    have: Scopes = ()
    for one in before:
        have = widen(have, one)
    wanted = widen(have, need)

    assert wanted[0] == A
    assert len(wanted) <= 1 + OTHERS_LIMIT
    assert covers(wanted, need) or len(need) > 1 + OTHERS_LIMIT
