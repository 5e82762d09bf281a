"""Connections to spare: lent within a registry's slots, and within the memory of a run."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.image.reference import Registry
from mirror.registry.spare_connections import ConnectionBudget, SlotLender

HERE, THERE = Registry("a.io"), Registry("b.io")


class Slots:
    """The slots of each registry, counted."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.lent = {HERE: 0, THERE: 0}

    def lend(self, registry: Registry) -> bool:
        free = self.lent[registry] < self.count
        self.lent[registry] += free
        return free

    def give_back(self, registry: Registry) -> None:
        self.lent[registry] -= 1

    def answered(self, registry: Registry, kind: str, seconds: float) -> None: ...


@dataclass(eq=False)
class Reading:
    connections: int


def budgets(slots: Slots | None) -> tuple[ConnectionBudget, ConnectionBudget]:
    """Return the budgets of two registries in one run."""
    lender = SlotLender(slots, lambda *_: None, lambda: 0.0)
    return ConnectionBudget(HERE, lender), ConnectionBudget(THERE, lender)


def test_without_slots_there_is_nothing_to_spare() -> None:
    assert not budgets(None)[0].take()


STEPS = st.lists(st.tuples(st.sampled_from("tbf"), st.booleans(), st.integers(1, 12)))


@given(STEPS, st.integers(0, 12))
def test_a_connection_is_to_be_had_while_there_is_a_slot_there_and_memory_anywhere(
    steps: list[tuple[str, bool, int]], count: int
) -> None:
    slots = Slots(count)
    both, used, pieces = budgets(slots), {HERE: 0, THERE: 0}, 0
    for step, elsewhere in ((step, there) for step, there, times in steps for _ in range(times)):
        budget, registry = both[elsewhere], (HERE, THERE)[elsewhere]
        if step == "t":
            taken = budget.take()
            assert taken is (used[registry] < count and pieces < 8)
            used[registry] += taken
            pieces += taken
        elif step == "b" and used[registry]:
            budget.give_back()
            used[registry] -= 1
        elif step == "f" and pieces > sum(used.values()):
            budget.forget()
            pieces -= 1
        assert slots.lent == used


@pytest.mark.parametrize(
    ("connections", "megabytes", "seconds", "wanted"),
    [([1], 1, 1, 4), ([1], 40, 1, 1), ([2], 40, 1, 4), ([1, 1], 40, 2, 4), ([1, 1], 1, 1, 1),
     ([], 1, 1, 4), ([], 40, 1, 1)],
)  # fmt: skip
def test_a_blob_is_worth_more_connections_while_readers_wait_and_each_brings_little(
    connections: list[int], megabytes: int, seconds: int, wanted: int
) -> None:
    here, _ = budgets(None)
    here.readings = dict.fromkeys(map(Reading, connections))
    here.look(10.0)
    here.parallelism.advance(megabytes * 1_000_000)
    here.parallelism.waited(seconds)
    here.look(11.0)

    assert here.parallelism.wanted == wanted
