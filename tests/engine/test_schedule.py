"""Scheduling decisions, seen without an event loop."""

import heapq
from dataclasses import dataclass
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mirror.engine.schedule import Schedule
from mirror.errors import Side
from mirror.image.digest import Digest
from mirror.image.reference import Reference, Registry
from mirror.plan.task import Flight, Rank, Resolve, Task

REGISTRIES = {name: Registry(name) for name in "abc"}


@dataclass(frozen=True)
class Work(Task):
    """A task that is nothing but what the schedule sees of it."""

    name: str
    on: str = "a"
    rank: Rank = Rank.RESOLVE  # type: ignore[misc]
    size: int = 0
    shared: str = ""

    @property
    def registries(self) -> tuple[Registry, ...]:
        return tuple(REGISTRIES[name] for name in self.on)

    @property
    def weight(self) -> int:
        return self.size

    @property
    def flight(self) -> Flight | None:
        return (REGISTRIES["a"], Digest.of(self.shared.encode())) if self.shared else None


def names(tasks: list[Task]) -> str:
    return " ".join(task.name for task in tasks if isinstance(task, Work))


def scheduled(*tasks: Work, per_registry: int = 9, registries: int | None = None) -> Schedule:
    schedule = Schedule(per_registry=per_registry, registries=registries)
    schedule.add(tasks)
    return schedule


def test_what_finishes_an_image_goes_before_what_begins_one() -> None:
    schedule = scheduled(Work("begin"), Work("put", rank=Rank.PUT), Work("read", rank=Rank.READ))

    assert names(schedule.start()) == "put read begin"


def test_big_blobs_go_first() -> None:
    sizes = {"small": 1, "big": 9, "middle": 5}
    blobs = [Work(name, rank=Rank.COPY, size=size) for name, size in sizes.items()]

    assert names(scheduled(*blobs).start()) == "big middle small"


def test_equals_go_in_the_order_they_came() -> None:
    assert names(scheduled(*(Work(str(n)) for n in range(5))).start()) == "0 1 2 3 4"


def test_a_full_registry_does_not_hold_up_another() -> None:
    schedule = scheduled(Work("1"), Work("2"), Work("3", on="b"), per_registry=1)

    assert names(schedule.start()) == "1 3"


def test_a_slot_given_back_is_taken_by_the_next() -> None:
    first, second = Work("1"), Work("2")
    schedule = scheduled(first, second, per_registry=1)
    schedule.start()
    assert schedule.start() == []

    schedule.finish(first, succeeded=True)
    assert schedule.start() == [second]
    assert not schedule.idle

    schedule.finish(second, succeeded=False)
    assert schedule.idle


def test_a_copy_occupies_both_ends() -> None:
    copy, small = Work("copy", on="ab", size=1), Work("small", on="b")
    schedule = scheduled(copy, small, per_registry=1)

    assert names(schedule.start()) == "copy"
    schedule.finish(copy, succeeded=True)
    assert names(schedule.start()) == "small"


def test_a_copy_within_a_registry_counts_as_the_two_requests_it_is() -> None:
    within = [Work(name, on="aa", rank=Rank.COPY, size=1) for name in "123"]

    assert names(scheduled(*within, per_registry=6).start()) == "1 2"
    assert names(scheduled(*within, per_registry=1).start()) == "1"


def test_small_requests_do_not_starve_behind_layers() -> None:
    layers = [Work(f"layer{n}", rank=Rank.COPY, size=9) for n in range(9)]
    schedule = scheduled(*layers, Work("small"), per_registry=4)

    assert names(schedule.start()) == "layer0 layer1 layer2 small"


def test_one_slot_serves_layers_too() -> None:
    assert names(scheduled(Work("layer", size=1), per_registry=1).start()) == "layer"


def test_of_a_flight_one_goes_alone_until_it_has_landed() -> None:
    flight = [Work(name, size=1, shared="x") for name in "123"]
    schedule = scheduled(*flight)
    assert names(schedule.start()) == "1"

    schedule.finish(flight[0], succeeded=True)
    assert names(schedule.start()) == "2 3"


def test_when_the_first_of_a_flight_fails_the_next_one_tries() -> None:
    flight = [Work(name, size=1, shared="x") for name in "123"]
    schedule = scheduled(*flight)
    schedule.start()

    schedule.finish(flight[0], succeeded=False)
    assert names(schedule.start()) == "2"
    schedule.finish(flight[1], succeeded=True)
    assert names(schedule.start()) == "3"


def test_whoever_comes_after_a_flight_has_landed_goes_at_once() -> None:
    first = Work("1", size=1, shared="x")
    schedule = scheduled(first)
    schedule.start()
    schedule.finish(first, succeeded=True)
    schedule.add([Work("2", size=1, shared="x"), Work("3", size=1, shared="x")])

    assert names(schedule.start()) == "2 3"


def test_no_more_registries_are_worked_on_than_allowed() -> None:
    tasks = [Work("a", on="a"), Work("b", on="b"), Work("c", on="c")]
    schedule = scheduled(*tasks, registries=2)
    assert names(schedule.start()) == "a b"

    schedule.finish(tasks[0], succeeded=True)
    assert names(schedule.start()) == "c"


def test_one_registry_at_a_time_still_copies_between_two() -> None:
    copy = Work("copy", on="ab", size=1)

    assert names(scheduled(copy, registries=1).start()) == "copy"


tasks = st.builds(
    Work,
    st.uuids().map(str),
    st.sampled_from(["a", "b", "c", "ab", "bc"]),
    st.sampled_from(Rank),
    st.sampled_from([0, 1, 100]),
    st.sampled_from(["", "", "x", "y"]),
)


@given(st.lists(tasks, max_size=40), st.integers(1, 4), st.none() | st.integers(1, 3), st.randoms())
def test_limits_hold_and_everything_runs_whatever_the_order(
    work: list[Work], limit: int, hosts: int | None, chance: Random
) -> None:
    schedule = scheduled(per_registry=limit, registries=hosts)
    waiting, running, done = list(work), list[Work](), 0
    while True:
        batch = chance.randint(0, len(waiting))
        schedule.add(waiting[:batch])
        del waiting[:batch]
        running += [task for task in schedule.start() if isinstance(task, Work)]
        busy = [name for task in running for name in task.on]
        assert all(busy.count(name) <= limit for name in "abc")
        assert hosts is None or len(set(busy)) <= max(hosts, 2)
        assert schedule.idle is not bool(running)
        if not running:
            if not waiting:
                break
            continue
        finished = running.pop(chance.randrange(len(running)))
        schedule.finish(finished, succeeded=chance.random() < 0.5)
        done += 1

    assert done == len(work)


def test_a_registry_that_pushes_back_gets_fewer_until_it_is_well_again() -> None:
    schedule = Schedule(per_registry=8)
    schedule.add(Resolve(Side.SOURCE, Reference.parse(f"s.io/a:{n}")) for n in range(500))
    running = schedule.start()
    assert len(running) == 8

    schedule.push_back(Registry("s.io"), now=0)
    most = 0
    for turn in range(300):
        schedule.finish(running.pop(0), succeeded=True, seconds=0.1)
        running += schedule.start()
        most = max(most, len(running)) if turn < 40 and turn > 8 else most
    assert most == 4
    assert len(running) == 8


def seconds_until_done(work: dict[str, list[Work]], costs: dict[str, int]) -> dict[str, int]:
    """Run tasks on a clock of their own; return when the last one of each host was done."""
    schedule = scheduled(*(task for tasks in work.values() for task in tasks), per_registry=16)
    running: list[tuple[int, str, Work]] = []
    now, done = 0, dict[str, int]()
    while True:
        for task in schedule.start():
            assert isinstance(task, Work)
            heapq.heappush(running, (now + costs[task.on[-1]], task.name, task))
        if not running:
            return done
        now, _, task = heapq.heappop(running)
        schedule.finish(task, succeeded=True)
        done[task.on[-1]] = now


def test_a_host_ten_times_slower_does_not_hold_up_another_with_the_same_source() -> None:
    def blobs(host: str) -> list[Work]:
        return [Work(f"{host}{n}", on=f"a{host}", rank=Rank.COPY, size=n + 1) for n in range(240)]

    costs = {"b": 1, "c": 10}
    alone = seconds_until_done({"b": blobs("b")}, costs)
    both = seconds_until_done({"b": blobs("b"), "c": blobs("c")}, costs)

    # Each has half of the source as long as both want it; the slow one loses little by it.
    assert alone["b"] == 20
    assert both["b"] == 40
    assert both["c"] <= 220


def test_a_share_that_nobody_wants_is_everybodys() -> None:
    schedule = scheduled(
        *(Work(f"b{n}", on="ab", rank=Rank.COPY, size=1) for n in range(20)),
        *(Work(f"c{n}", on="ac", rank=Rank.COPY, size=9) for n in range(2)),
        per_registry=16,
    )
    started = names(schedule.start()).split()

    assert len(started) == 12
    assert {"c0", "c1"} < set(started)


def test_a_slot_is_lent_only_where_nobody_waits_for_it() -> None:
    blobs = [Work(str(n), rank=Rank.COPY, size=1) for n in range(4)]
    schedule = scheduled(*blobs[:2], per_registry=4)
    schedule.start()
    a, freed = Registry("a"), list[bool]()
    schedule.freed = lambda: freed.append(True)

    assert schedule.lend(a)
    assert not schedule.lend(a), "a quarter is for small requests"
    schedule.add(blobs[2:])
    assert schedule.start() == []
    schedule.give_back(a)
    assert freed == [True]
    assert names(schedule.start()) == "2"
    assert not schedule.lend(a)
    schedule.finish(blobs[0], succeeded=True)
    assert not schedule.lend(a), "3 waits"


def test_a_loan_that_ends_makes_room_for_other_hosts_too() -> None:
    schedule = scheduled(Work("ab", on="ab"), Work("c", on="c"), registries=2)
    (ab,) = schedule.start()
    assert schedule.lend(Registry("a"))
    schedule.finish(ab, succeeded=False)
    assert names(schedule.start()) == "c"

    schedule = scheduled(Work("ab", on="ab"), Work("bc", on="bc"), registries=2)
    (ab,) = schedule.start()
    assert schedule.lend(Registry("a"))
    schedule.finish(ab, succeeded=False)
    assert schedule.start() == []
    assert not schedule.idle
    schedule.give_back(Registry("a"))
    assert names(schedule.start()) == "bc"
