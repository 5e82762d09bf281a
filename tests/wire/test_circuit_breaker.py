"""A host that is well, pushes back, or is dead."""

from hypothesis import given
from hypothesis import strategies as st

from mirror.wire.circuit_breaker import CircuitBreaker


def dead(now: float = 0.0) -> CircuitBreaker:
    """A host that has not answered for 21 seconds."""
    host = CircuitBreaker()
    for step in range(8):
        host.unheard(now + 3 * step)
    return host


def test_a_host_that_pushes_back_is_left_alone_for_the_longest_time_it_said() -> None:
    host = CircuitBreaker()
    host.pause(7, now=10)
    host.pause(2, now=11)

    assert host.wait(12) == 5
    assert host.wait(20) == 0


def test_what_breaks_in_one_instant_and_after_a_pause_is_not_death() -> None:
    host = CircuitBreaker()
    for _ in range(15):
        host.unheard(0.3)
    host.pause(21, now=0.4)
    host.unheard(21.5)

    assert host.admit(21.6)


def test_a_short_silence_or_a_few_failures_are_not_death() -> None:
    host = CircuitBreaker()
    for _ in range(100):
        host.unheard(1)
    assert host.admit(19)

    host = CircuitBreaker()
    host.unheard(0)
    host.unheard(1000)
    assert host.admit(1000)


def test_a_dead_host_is_asked_now_and_then_by_one() -> None:
    host = dead()

    assert not host.admit(22)
    assert not host.admit(35)
    assert host.admit(36)
    assert not host.admit(36)
    assert host.admit(51)


def test_an_answer_brings_it_back() -> None:
    host = dead()
    host.answered()

    assert host.admit(22)
    host.unheard(23)
    assert host.admit(24)


def test_repeats_are_bounded_by_what_is_answered() -> None:
    host = CircuitBreaker()
    assert sum(host.spend_repeat() for _ in range(1000)) == 100
    for _ in range(10):
        host.answered()
    assert sum(host.spend_repeat() for _ in range(1000)) == 5


@given(st.lists(st.sampled_from(["answered", "unheard", "asked"]), max_size=200))
def test_who_asks_long_enough_is_let_through(moments: list[str]) -> None:
    host, now = CircuitBreaker(), 0.0
    for moment in moments:
        now += 1
        if moment == "answered":
            host.answered()
            assert host.admit(now)
        elif moment == "unheard":
            host.unheard(now)
        else:
            host.admit(now)
    assert any(host.admit(now + later) for later in range(17))
