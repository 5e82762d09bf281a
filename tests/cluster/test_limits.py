"""Limits that hold for all workers together."""

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.cluster.limits import Share, SharedLimits
from mirror.options import Options, RegistryOptions
from mirror.wire.known_limits import limit_at

NEEDS = st.sets(st.sampled_from("abc"), min_size=1)
HOSTS = frozenset({"s.io", "d.io"})


def shares(limit: int = 16, **options: Any) -> SharedLimits:
    return SharedLimits(Options(max_per_registry=limit, **options))


def slots(share: Share | None) -> int:
    return share.slots["d.io"] if share is not None else 0


@given(
    st.integers(1, 20),
    st.lists(
        st.tuples(
            st.integers(1, 9), st.integers(1, 9), st.sets(st.sampled_from("abc"), min_size=1)
        ),
        max_size=40,
    ),
)
def test_requests_in_flight_never_exceed_the_limit(
    limit: int, moments: list[tuple[int, int, set[str]]]
) -> None:
    ours, under_way, options = shares(limit), list[Share](), Options(max_per_registry=limit)
    for workers, units, hosts in moments:
        share = ours.take(frozenset(hosts), workers=workers, units=units)
        if share is not None:
            assert share.slots.keys() == hosts
            under_way.append(share)
        elif under_way:
            ours.give_back(under_way.pop())
        for host in "abc":
            limits = [
                limit_at(host, one.of(options)).most for one in under_way if host in one.slots
            ]
            assert sum(limits) <= limit
            assert all(one >= 1 for one in limits)
        assert sum(one.part for one in under_way) <= 1


def test_each_worker_gets_the_same_and_nobody_more_than_one_unit() -> None:
    ours = shares()

    assert [slots(ours.take(HOSTS, workers=4, units=100)) for _ in range(5)] == [4, 4, 4, 4, 0]


def test_what_does_not_divide_is_used_all_the_same() -> None:
    ours = shares(4)

    assert [slots(ours.take(HOSTS, workers=3, units=100)) for _ in range(3)] == [2, 2, 0]
    ours = shares(16)
    assert [slots(ours.take(HOSTS, workers=3, units=100)) for _ in range(3)] == [6, 6, 4]


def test_the_last_units_have_what_the_others_need_no_more() -> None:
    assert slots(shares().take(HOSTS, workers=8, units=1)) == 16


def test_who_comes_later_waits_until_there_is_a_share() -> None:
    ours = shares()
    alone = ours.take(HOSTS, workers=1, units=9)
    assert alone is not None
    assert ours.take(HOSTS, workers=2, units=9) is None
    ours.give_back(alone)

    assert slots(ours.take(HOSTS, workers=2, units=9)) == 8


def test_with_more_workers_than_requests_some_do_nothing() -> None:
    ours = shares(2)

    assert [slots(ours.take(HOSTS, workers=8, units=9)) for _ in range(3)] == [1, 1, 0]


def test_a_registry_with_a_limit_of_its_own_has_shares_of_that() -> None:
    own = RegistryOptions(max_per_registry=6, requests_per_second=9.0, insecure=True)
    options = Options(registries={"d.io": own}, limit_rate=300, max_per_registry=30)
    share = SharedLimits(options).take(HOSTS, workers=3, units=9)
    assert share is not None
    divided = share.of(options)

    assert [limit_at(host, divided).most for host in ("d.io", "s.io")] == [2, 10]
    assert divided.limit_rate == 100
    assert divided.at("d.io").requests_per_second == pytest.approx(3.0)
    assert divided.at("d.io").insecure is True


def test_a_registry_of_which_no_limit_is_known_has_none() -> None:
    options = Options(registries={"d.io": RegistryOptions(insecure=True)})
    divided = Share({"d.io": 4}, Fraction(1, 4)).of(options)

    assert divided.at("d.io").requests_per_second is None
    assert divided.at("d.io").insecure is True
    assert divided.limit_rate is None


def test_the_least_rate_is_a_byte() -> None:
    assert Share({"d.io": 1}, Fraction(1, 4)).of(Options(limit_rate=2)).limit_rate == 1


def test_a_limit_on_registries_is_for_all_units_together() -> None:
    ours = shares(max_registry=3)
    first = ours.take(HOSTS, workers=9, units=9)
    second = ours.take(frozenset({"s.io", "e.io"}), workers=9, units=9)
    assert first is not None
    assert second is not None

    assert ours.take(frozenset({"s.io", "f.io"}), workers=9, units=9) is None
    ours.give_back(second)
    assert ours.take(frozenset({"s.io", "f.io"}), workers=9, units=9) is not None


def test_a_copy_gets_its_two_registries_whatever_the_limit() -> None:
    ours = shares(max_registry=1)

    assert ours.take(HOSTS, workers=2, units=2) is not None
    assert ours.take(HOSTS, workers=2, units=2) is not None
