"""Tokens that are used up."""

from mirror.demo.server import TokenIssuer


def test_a_token_is_good_for_so_many_requests_and_no_other_for_any() -> None:
    tokens = TokenIssuer(uses=2)
    login = f"Bearer {tokens.give()}"

    assert [tokens.admits(login) for _ in range(3)] == [True, True, False]
    assert not tokens.admits("")
    assert not tokens.admits("Bearer made-up")
    assert tokens.admits(f"Bearer {tokens.give()}")
