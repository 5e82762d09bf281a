"""Tokens that are used up."""

from mirror.demo.doorman import Doorman


def test_a_token_is_good_for_so_many_requests_and_no_other_for_any() -> None:
    doorman = Doorman(uses=2)
    login = f"Bearer {doorman.give()}"

    assert [doorman.admits(login) for _ in range(3)] == [True, True, False]
    assert not doorman.admits("")
    assert not doorman.admits("Bearer made-up")
    assert doorman.admits(f"Bearer {doorman.give()}")
