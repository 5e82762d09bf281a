"""Limits that find their level, against hosts that are simulated on a clock of their own."""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.engine.adaptive_limit import BodyLimit, HostLimit, Reason, RequestLimit
from mirror.image.reference import Registry
from mirror.options import Options

MOST = 128


@dataclass
class Host:
    """A registry: some workers, each busy for a while with a request, at a distance."""

    round_trip: float
    service: float
    workers: int
    refuses_above: int = 10_000
    free: list[float] = field(default_factory=list)
    in_flight: int = 0

    def answer_at(self, now: float) -> tuple[float, bool]:
        """Take a request; return when it is answered, and whether it was refused."""
        self.in_flight += 1
        if self.in_flight > self.refuses_above:
            return now + self.round_trip, True
        arrival = now + self.round_trip / 2
        began = (
            max(arrival, heapq.heappop(self.free)) if len(self.free) >= self.workers else arrival
        )
        heapq.heappush(self.free, began + self.service)
        return began + self.service + self.round_trip / 2, False


@dataclass
class Outcome:
    """What a client has seen."""

    answered: int = 0
    refused: int = 0
    answered_late: int = 0
    """Answers in the second half of the time."""
    slowest: float = 0.0
    """Of the second half."""


class Fixed:
    """A limit that learns nothing: what can be had by trying every number."""

    def __init__(self, size: int) -> None:
        self.size = size

    def answer(self, kind: str, seconds: float, now: float, *, waited: bool) -> None: ...

    def refuse(self, now: float) -> None: ...


def watched(
    host: Host,
    *limits: RequestLimit | Fixed,
    seconds: float = 20.0,
    half_way: Callable[[Host], None] = lambda _: None,
) -> list[Outcome]:
    """Send as much as the limits allow, each for itself, for so many seconds."""
    outcomes = [Outcome() for _ in limits]
    flying: list[tuple[float, int, float, bool]] = []
    busy = [0] * len(limits)
    now, changed = 0.0, False
    while now < seconds:
        for number, limit in enumerate(limits):
            while busy[number] < limit.size:
                busy[number] += 1
                until, refused = host.answer_at(now)
                heapq.heappush(flying, (until, number, now, refused))
        now, number, began, refused = heapq.heappop(flying)
        if now > seconds / 2 and not changed:
            changed = True
            half_way(host)
        host.in_flight -= 1
        outcome = outcomes[number]
        if refused:
            outcome.refused += 1
            limits[number].refuse(now)
        else:
            outcome.answered += 1
            outcome.answered_late += now > seconds / 2
            if now > seconds / 2:
                outcome.slowest = max(outcome.slowest, now - began)
            limits[number].answer("GET", now - began, now, waited=True)
        busy[number] -= 1
    return outcomes


HOSTS = {
    "near and slow": lambda: Host(0.001, 0.004, 2),
    "near and fast": lambda: Host(0.002, 0.001, 4),
    "far and fast": lambda: Host(0.1, 0.002, 64),
    "far, with few workers": lambda: Host(0.1, 0.010, 4),
    "one that queues": lambda: Host(0.02, 0.010, 4),
    "very far": lambda: Host(0.4, 0.001, 64),
}


def best_fixed(make: Callable[[], Host], **more: Any) -> int:
    """Return how much the best of all fixed numbers gets done."""
    sizes: Iterable[int] = (1, 4, 8, 16, 32, 64, 128)
    return max(watched(make(), Fixed(size), **more)[0].answered_late for size in sizes)


@pytest.mark.parametrize("name", HOSTS)
def test_it_comes_close_to_the_best_number_that_can_be_chosen(name: str) -> None:
    (found,) = watched(HOSTS[name](), RequestLimit(MOST))

    assert found.answered_late >= 0.9 * best_fixed(HOSTS[name])


@pytest.mark.parametrize("name", ["near and slow", "one that queues"])
def test_a_host_that_queues_is_not_made_to_queue_for_long(name: str) -> None:
    (found,) = watched(HOSTS[name](), RequestLimit(MOST))
    (everything,) = watched(HOSTS[name](), Fixed(MOST))

    assert found.slowest < everything.slowest * 0.75


def test_it_doubles_with_every_round_trip_at_first() -> None:
    limit = RequestLimit(MOST)
    watched(Host(0.1, 0.001, 999), limit, seconds=0.1 * 5 + 0.05)

    assert (limit.size, limit.reason) == (MOST, Reason.LIMIT)


def test_a_host_that_refuses_is_kept_below_what_it_takes() -> None:
    limit = RequestLimit(MOST)
    (found,) = watched(Host(0.05, 0.001, 999, refuses_above=50), limit, seconds=30)

    assert found.refused <= 0.03 * found.answered
    assert limit.size <= 50
    assert (
        found.answered_late
        >= 0.9 * watched(Host(0.05, 0.001, 999), Fixed(50), seconds=30)[0].answered_late
    )
    assert limit.reason is Reason.REFUSED


def test_a_host_that_gets_farther_away_half_way_is_not_taken_for_a_slow_one() -> None:
    def farther(host: Host) -> None:
        host.round_trip *= 3

    def far() -> Host:
        return Host(0.05, 0.001, 999)

    limit = RequestLimit(MOST)
    (found,) = watched(far(), limit, seconds=80, half_way=farther)

    assert found.answered_late >= 0.8 * best_fixed(far, seconds=80, half_way=farther)
    assert limit.size == MOST


def test_two_runs_that_share_a_host_share_it_fairly() -> None:
    one, other = RequestLimit(MOST), RequestLimit(MOST)
    first, second = watched(Host(0.05, 0.010, 4), one, other, seconds=60)

    assert 0.5 <= first.answered_late / second.answered_late <= 2
    assert first.answered_late + second.answered_late >= 0.9 * 400 * 30


def test_it_is_never_stuck_at_one() -> None:
    limit, now = RequestLimit(MOST), 0.0
    while limit.size > 1:
        now += 2
        limit.refuse(now)
    assert now < 60

    refused_at = now
    while limit.size < 32:
        now += 0.1
        limit.answer("GET", 0.1, now, waited=True)
        assert now < refused_at + 300, "what was refused is forgotten after some minutes"


def test_what_was_in_flight_together_halves_it_once_however_long_that_takes() -> None:
    limit = RequestLimit(16, start=16)
    for number in range(16):
        limit.refuse(5.0 + number / 4)
    assert limit.size == 8

    limit.refuse(10.0)
    assert limit.size == 4


def test_the_best_time_is_not_seen_through_our_own_queue() -> None:
    limit = RequestLimit(MOST)
    (found,) = watched(HOSTS["one that queues"](), limit, seconds=300)

    assert limit.size <= 64
    assert found.slowest < 0.2


def test_a_refusal_long_after_another_is_remembered_for_a_minute_again() -> None:
    limit, now = RequestLimit(MOST, start=64), 0.0
    for _ in range(5):
        before = limit.size
        limit.refuse(now)
        for _ in range(7000):
            now += 0.01
            limit.answer("GET", 0.1, now, waited=True)
        assert limit.size >= before


def test_a_host_that_pushed_back_is_the_reason_even_where_nothing_waits() -> None:
    limit = HostLimit(MOST)
    limit.refuse(0.0)
    for number in range(99):
        limit.requests.answer("GET", 0.1, number / 10, waited=False)
        limit.bodies.move(1000, 0.1, number / 10, waited=False)
    assert (limit.requests.reason, limit.bodies.reason) == (Reason.REFUSED, Reason.REFUSED)

    for number in range(99):
        limit.requests.answer("GET", 0.1, 99 + number / 10, waited=False)
        limit.bodies.move(1000, 0.1, 99 + number / 10, waited=False)
    assert (limit.requests.reason, limit.bodies.reason) == (Reason.DEMAND, Reason.DEMAND)


def test_it_does_not_grow_while_nothing_waits() -> None:
    limit = RequestLimit(MOST)
    for second in range(999):
        limit.answer("GET", 0.1, second / 100, waited=False)

    assert limit.size <= 8
    assert limit.reason is Reason.DEMAND


def test_a_kind_is_compared_with_itself_only() -> None:
    limit = RequestLimit(MOST)
    for number in range(2000):
        slow = number % 2
        limit.answer("PUT" if slow else "GET", 0.5 if slow else 0.01, number / 100, waited=True)

    assert limit.size == MOST


def test_answers_that_take_seconds_leave_a_host_few_requests() -> None:
    limit = RequestLimit(16, start=16)
    limit.answer("GET", 0.05, 0.0, waited=True)
    for number in range(300):
        limit.answer("GET", 3.0, number / 100, waited=True)

    assert limit.size <= 8


def moved_by(limit: BodyLimit, rate: Callable[[int], float], rounds: int = 60) -> None:
    """Have bodies of 8 MB moved, each at the rate that so many at once leave to each."""
    now = 0.0
    for _ in range(rounds):
        size = limit.size
        seconds = 8e6 / rate(size)
        now += seconds
        for _ in range(size):
            limit.move(8_000_000, seconds, now, waited=True)


def test_bodies_grow_as_long_as_each_connection_has_a_rate_of_its_own() -> None:
    limit = BodyLimit(120)
    moved_by(limit, lambda _: 8e6)

    assert (limit.size, limit.reason) == (120, Reason.LIMIT)


def test_bodies_that_share_one_line_stay_few() -> None:
    limit = BodyLimit(120)
    moved_by(limit, lambda size: 100e6 / size)

    assert limit.size <= 10
    assert limit.reason is Reason.THROUGHPUT


def test_bodies_stop_where_more_bring_nothing() -> None:
    limit = BodyLimit(120)
    moved_by(limit, lambda size: min(8e6, 200e6 / size), rounds=200)

    assert 20 <= limit.size <= 34


def test_a_host_that_refuses_bodies_gets_half_of_them() -> None:
    limit = BodyLimit(120, start=16)
    limit.refuse(0.0)
    limit.refuse(0.5)

    assert (limit.size, limit.reason) == (8, Reason.REFUSED)


@pytest.mark.parametrize(("most", "bodies"), [(1, 1), (2, 1), (4, 3), (16, 8), (128, 8)])
def test_bodies_leave_slots_to_small_requests(most: int, bodies: int) -> None:
    limit = HostLimit(most)

    assert limit.bodies.size == bodies
    assert limit.requests.size == min(8, most)


@pytest.mark.parametrize(
    ("host", "options", "expected"),
    [
        ("registry.example.com", Options(), (128, 8, 12)),
        ("docker.io", Options(), (32, 4, 4)),
        ("registry.example.com", Options(max_per_registry=4), (4, 4, 3)),
        ("oci:", Options(), (128, 64, 12)),
        ("oci:", Options(max_per_registry=2), (2, 2, 1)),
    ],
)
def test_it_begins_with_what_is_known_of_a_registry(
    host: str, options: Options, expected: tuple[int, int, int]
) -> None:
    limit = HostLimit.of(Registry(host), options)

    assert (limit.most, limit.requests.size, limit.bodies.size) == expected


_moments = st.floats(1e-4, 100)
_happenings = st.tuples(st.sampled_from(["answer", "refuse", "move"]), _moments, st.booleans())


@given(st.integers(1, 128), st.lists(_happenings, max_size=300))
def test_whatever_happens_it_stays_within_its_bounds(
    most: int, history: list[tuple[str, float, bool]]
) -> None:
    limit, now = HostLimit(most), 0.0
    for what, seconds, waited in history:
        now += seconds / 10
        match what:
            case "refuse":
                limit.refuse(now)
            case "answer":
                limit.requests.answer("GET", seconds, now, waited=waited)
            case _:
                limit.bodies.move(1000, seconds, now, waited=waited)
        assert 1 <= limit.requests.size <= most
        assert 1 <= limit.bodies.size <= most
        assert limit.size <= most
