"""Limits that hold for all workers together."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.cluster.shares import Share, Shares
from mirror.options import Options, RegistryOptions

HOSTS = frozenset({"s.io", "d.io"})


def shares(limit: int = 16, **options: Any) -> Shares:
    return Shares(Options(max_per_registry=limit, **options), HOSTS)


@given(
    st.integers(1, 20),
    st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=40),
    st.integers(1, 30),
)
def test_requests_in_flight_never_exceed_the_limit(
    limit: int, moments: list[tuple[int, bool]], units: int
) -> None:
    ours, under_way = shares(limit), list[Share]()
    options = Options(max_per_registry=limit)
    for workers, ends in moments:
        if ends and under_way:
            ours.give_back(under_way.pop())
        elif (share := ours.take(HOSTS, workers=workers, units=units)) is not None:
            under_way.append(share)
        assert sum(share.of(options).max_per_registry for share in under_way) <= limit
        assert all(share.of(options).max_per_registry >= 1 for share in under_way)


def test_each_worker_gets_the_same_and_nobody_more_than_one_unit() -> None:
    ours = shares()
    parts = [ours.take(HOSTS, workers=4, units=100) for _ in range(5)]

    assert [share and share.of(Options()).max_per_registry for share in parts] == [4, 4, 4, 4, None]


def test_the_last_units_have_what_the_others_need_no_more() -> None:
    share = shares().take(HOSTS, workers=8, units=1)

    assert share is not None
    assert share.part == 1


def test_who_comes_later_waits_until_there_is_a_share() -> None:
    ours = shares()
    alone = ours.take(HOSTS, workers=1, units=9)
    assert alone is not None
    assert ours.take(HOSTS, workers=2, units=9) is None
    ours.give_back(alone)

    assert ours.take(HOSTS, workers=2, units=9) == Share(Fraction(1, 2), HOSTS)


def test_with_more_workers_than_requests_some_do_nothing() -> None:
    ours = shares(2)
    taken = [ours.take(HOSTS, workers=8, units=9) for _ in range(3)]

    assert [share is not None for share in taken] == [True, True, False]


def test_a_registry_with_a_limit_of_its_own_has_shares_of_that() -> None:
    own = RegistryOptions(max_per_registry=6, requests_per_second=9.0, insecure=True)
    options = Options(registries={"d.io": own}, limit_rate=300, max_per_registry=30)
    ours = Shares(options, HOSTS)
    share = ours.take(HOSTS, workers=3, units=9)
    assert share is not None
    divided = share.of(options)

    assert divided.limit_at("d.io") == 2
    assert divided.limit_at("s.io") == 10
    assert divided.limit_rate == 100
    assert divided.at("d.io").requests_per_second == pytest.approx(3.0)
    assert divided.at("d.io").insecure is True


def test_a_registry_of_which_only_its_speed_is_known_keeps_the_common_limit() -> None:
    options = Options(registries={"d.io": RegistryOptions(insecure=True)})
    share = Share(Fraction(1, 4), HOSTS)

    assert share.of(options).limit_at("d.io") == 4
    assert share.of(options).at("d.io").requests_per_second is None
    assert share.of(options).limit_rate is None


def test_a_limit_on_registries_is_for_all_units_together() -> None:
    ours = shares(max_registry=3)
    first = ours.take(HOSTS, workers=9, units=9)
    assert first is not None
    third = ours.take(frozenset({"s.io", "e.io"}), workers=9, units=9)

    assert third is not None
    assert ours.take(frozenset({"s.io", "f.io"}), workers=9, units=9) is None
    ours.give_back(third)
    assert ours.take(frozenset({"s.io", "f.io"}), workers=9, units=9) is not None


def test_a_copy_gets_its_two_registries_whatever_the_limit() -> None:
    assert shares(max_registry=1).take(HOSTS, workers=1, units=1) is not None
