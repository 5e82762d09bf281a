"""Work cut into units."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.cluster.unit import cut
from mirror.mapping.grammar import Document, Rule, parse

NAMES = st.from_regex("[a-c]/[a-e]", fullmatch=True)
LINES = st.lists(st.tuples(NAMES, NAMES), max_size=80, unique=True)


def rules(*lines: str) -> list[Rule]:
    return list(parse(documents=[Document("f", "\n".join(lines).encode())]))


def places(unit_rules: tuple[Rule, ...]) -> set[str]:
    return {str(rule.target.path) for rule in unit_rules}


@given(LINES, st.integers(1, 9))
def test_every_mapping_is_in_one_unit_and_every_destination_too(
    pairs: list[tuple[str, str]], workers: int
) -> None:
    asked = rules(*(f"s.io/{a}:{n}=d.io/{b}:{n}" for n, (a, b) in enumerate(pairs)))
    units = cut(asked, workers)

    assert sorted(map(str, asked)) == sorted(str(rule) for unit in units for rule in unit.rules)
    repositories = [name for unit in units for name in places(unit.rules)]
    assert len(repositories) == len(set(repositories))
    assert [unit.number for unit in units] == list(range(len(units)))


def test_nothing_is_nothing() -> None:
    assert cut([], 4) == []


def test_many_repositories_are_many_units_of_neighbours() -> None:
    asked = rules(
        *(f"s.io/team-{team}/app-{n}=d.io/{n}/{team}" for n in range(60) for team in "ab")
    )
    units = cut(asked, 2)

    assert 8 <= len(units) <= 20
    mixed = [unit for unit in units
             if len({rule.source.path.partition("/")[0] for rule in unit.rules}) > 1]  # fmt: skip
    assert len(mixed) <= 1


def test_what_has_one_source_stays_together() -> None:
    asked = rules(*(f"s.io/app-{n:02}=d{d}.io/app-{n:02}" for n in range(40) for d in range(3)))
    units = cut(asked, 2)
    homes = [{rule.source.path for rule in unit.rules} for unit in units]

    assert len(units) > 4
    assert sum(map(len, homes)) == len(set.union(*homes))


def test_one_source_for_very_many_places_is_not_one_unit() -> None:
    assert len(cut(rules(*(f"s.io/a:1=d.io/a-{n}" for n in range(1000))), 2)) > 4


@pytest.mark.parametrize(("tags", "units"), [(1, 1), (10_000, 12), (30_000, 12)])
def test_a_unit_is_neither_small_nor_large(tags: int, units: int) -> None:
    asked = rules(*(f"s.io/a-{n // 100}:{n}=d.io/a-{n // 100}:{n}" for n in range(tags)))

    assert len(cut(asked, 2)) == pytest.approx(units, abs=1)


def test_the_largest_goes_first() -> None:
    asked = rules(*(f"s.io/a:{n}=d.io/a:{n}" for n in range(30)),
                  *(f"s.io/b:{n}=d.io/b:{n}" for n in range(90)))  # fmt: skip

    assert [len(unit.rules) for unit in cut(asked, 2)] == [90, 30]


def test_a_unit_says_which_registries_it_needs() -> None:
    (unit,) = cut(rules("s.io/a:1=d.io/a", "t.io/a:2=d.io/a"), 2)

    assert unit.hosts == {"s.io", "t.io", "d.io"}
