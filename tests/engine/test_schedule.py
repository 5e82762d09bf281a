"""Scheduling decisions, seen without an event loop."""

import heapq
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from mirror.engine.adaptive_limit import HostLimit
from mirror.engine.lanes import Priority, SlotRequest
from mirror.engine.schedule import Schedule
from mirror.image.reference import Registry

MIB = 2**20
REGISTRIES = {name: Registry(name) for name in "abcd"}


class Work(SlotRequest, eq=False):
    """A request with a name."""

    name: str = ""


def work(
    name: str,
    on: str = "a",
    rank: Priority = Priority.RESOLVE,
    size: int = 0,
    content: str = "",
    missing: int = 0,
) -> Work:
    """Return a request with a name; sizes are in mebibytes."""
    registries = tuple(sorted(REGISTRIES[one] for one in on))
    return Work(rank, registries, size * MIB, content, missing * MIB, name=name)


def names(turns: list[SlotRequest]) -> str:
    return " ".join(turn.name for turn in turns if isinstance(turn, Work))


def scheduled(*turns: Work, per_registry: int = 9, registries: int | None = None) -> Schedule:
    schedule = Schedule(lambda _: HostLimit(per_registry, per_registry), registries=registries)
    for turn in turns:
        schedule.add(turn)
    return schedule


def test_what_finishes_an_image_goes_before_what_begins_one() -> None:
    schedule = scheduled(
        work("begin"), work("put", rank=Priority.PUT), work("read", rank=Priority.READ)
    )

    assert names(schedule.start()) == "put read begin"


def test_equals_go_in_the_order_they_came() -> None:
    assert names(scheduled(*(work(str(n)) for n in range(5))).start()) == "0 1 2 3 4"


def test_a_full_registry_does_not_hold_up_another() -> None:
    schedule = scheduled(work("1"), work("2"), work("3", on="b"), per_registry=1)

    assert names(schedule.start()) == "1 3"


def test_a_slot_given_back_is_taken_by_the_next() -> None:
    first, second = work("1"), work("2")
    schedule = scheduled(first, second, per_registry=1)
    schedule.start()
    assert schedule.start() == []

    schedule.finish(first)
    assert schedule.start() == [second]


def test_a_copy_occupies_both_ends() -> None:
    copy, small = work("copy", on="ab", size=1), work("small", on="b")
    schedule = scheduled(copy, small, per_registry=1)

    assert names(schedule.start()) == "copy"
    schedule.finish(copy)
    assert names(schedule.start()) == "small"


def test_a_copy_within_a_registry_counts_as_the_two_requests_it_is() -> None:
    def within() -> list[Work]:
        return [work(name, on="aa", rank=Priority.COPY, size=1) for name in "123"]

    assert names(scheduled(*within(), per_registry=6).start()) == "1 2"
    assert names(scheduled(*within(), per_registry=1).start()) == "1"


def test_small_requests_do_not_starve_behind_layers() -> None:
    layers = [work(f"layer{n}", rank=Priority.COPY, size=9) for n in range(9)]
    schedule = scheduled(*layers, work("small"), per_registry=4)

    assert names(schedule.start()) == "layer0 layer1 layer2 small"


def test_one_slot_serves_layers_too() -> None:
    assert names(scheduled(work("layer", size=1), per_registry=1).start()) == "layer"


def test_what_is_withdrawn_is_passed_over_and_occupies_nothing() -> None:
    first, second, third = (work(name) for name in "123")
    schedule = scheduled(first, second, third, per_registry=1)
    assert names(schedule.start()) == "1"

    second.withdrawn = True
    schedule.finish(first)
    assert names(schedule.start()) == "3"


def test_what_nothing_waits_before_starts_at_once_if_there_is_room() -> None:
    schedule = scheduled(per_registry=1)
    first, second = work("1"), work("2")

    assert schedule.start_now(first)
    assert not schedule.start_now(second)
    schedule.add(second)
    schedule.finish(first)
    assert not schedule.start_now(work("3")), "2 waits"
    assert names(schedule.start()) == "2"


def test_no_more_registries_are_worked_on_than_allowed() -> None:
    tasks = [work("a", on="a"), work("b", on="b"), work("c", on="c")]
    schedule = scheduled(*tasks, registries=2)
    assert names(schedule.start()) == "a b"

    schedule.finish(tasks[0])
    assert names(schedule.start()) == "c"


def test_one_registry_at_a_time_still_copies_between_two() -> None:
    copy = work("copy", on="ab", size=1)

    assert names(scheduled(copy, registries=1).start()) == "copy"


turns = st.builds(
    work,
    st.integers(0, 999).map(str),
    st.sampled_from(["a", "b", "c", "ab", "bc"]),
    st.sampled_from(Priority),
    st.sampled_from([0, 1, 100]),
    st.sampled_from(["", "", "x", "y"]),
)


@given(st.lists(turns, max_size=30), st.integers(1, 4), st.none() | st.integers(1, 3), st.randoms())
def test_limits_hold_and_everything_runs_whatever_the_order(
    all_turns: list[Work], limit: int, hosts: int | None, chance: Random
) -> None:
    schedule = scheduled(per_registry=limit, registries=hosts)
    waiting, running, done = list(all_turns), list[Work](), 0
    while True:
        batch = chance.randint(0, len(waiting))
        for turn in waiting[:batch]:
            schedule.add(turn)
        del waiting[:batch]
        running += [turn for turn in schedule.start() if isinstance(turn, Work)]
        busy = [registry.host for turn in running for registry in turn.registries]
        assert all(busy.count(name) <= limit for name in "abc")
        assert hosts is None or len(set(busy)) <= max(hosts, 2)
        if not running:
            if not waiting:
                break
            continue
        finished = running.pop(chance.randrange(len(running)))
        schedule.finish(finished, chance.choice([None, 0.1]), float(done))
        done += 1

    assert done == len(all_turns)


def test_a_registry_that_pushes_back_gets_half_as_many() -> None:
    schedule = scheduled(*(work(str(number)) for number in range(99)), per_registry=8)
    running = schedule.start()
    assert len(running) == 8

    schedule.refuse(REGISTRIES["a"], now=0)
    for _ in range(6):
        schedule.finish(running.pop(0))
        running += schedule.start()
    assert len(running) == 4


def test_what_answers_well_is_asked_more_at_once() -> None:
    schedule = Schedule(lambda _: HostLimit(128))
    for number in range(99):
        schedule.add(work(str(number)))
    running, a = schedule.start(), REGISTRIES["a"]
    assert len(running) == 8
    for number in range(8):
        schedule.answer(a, "GET", 0.1, now=number / 10)
    running += schedule.start()

    assert (len(running), schedule.grown) == (16, {a})


def seconds_until_done(turns: dict[str, list[Work]], costs: dict[str, int]) -> dict[str, int]:
    """Run tasks on a clock of their own; return when the last one of each host was done."""
    schedule = scheduled(*(task for tasks in turns.values() for task in tasks), per_registry=16)
    running: list[tuple[int, str, Work]] = []
    now, done = 0, dict[str, int]()
    while True:
        for task in schedule.start():
            assert isinstance(task, Work)
            heapq.heappush(running, (now + costs[task.registries[-1].host], task.name, task))
        if not running:
            return done
        now, _, task = heapq.heappop(running)
        schedule.finish(task)
        done[task.registries[-1].host] = now


def test_a_host_ten_times_slower_does_not_hold_up_another_with_the_same_source() -> None:
    def blobs(host: str) -> list[Work]:
        return [
            work(f"{host}{n}", on=f"a{host}", rank=Priority.COPY, size=n + 1) for n in range(240)
        ]

    costs = {"b": 1, "c": 10}
    alone = seconds_until_done({"b": blobs("b")}, costs)
    both = seconds_until_done({"b": blobs("b"), "c": blobs("c")}, costs)

    # Each has half of the source as long as both want it; the slow one loses little by it.
    assert alone["b"] == 20
    assert both["b"] == 40
    assert both["c"] <= 220


def test_a_share_that_nobody_wants_is_everybodys() -> None:
    schedule = scheduled(
        *(work(f"b{n}", on="ab", rank=Priority.COPY, size=1) for n in range(20)),
        *(work(f"c{n}", on="ac", rank=Priority.COPY, size=9) for n in range(2)),
        per_registry=16,
    )
    started = names(schedule.start()).split()

    assert len(started) == 12
    assert {"c0", "c1"} < set(started)


def test_what_goes_to_several_places_starts_everywhere_at_once_or_waits() -> None:
    blobs = [
        work(f"{content}{there}", on=f"a{there}", rank=Priority.COPY, size=1, content=content)
        for content in "xyz"
        for there in "bcd"
    ]
    schedule = Schedule(lambda _: HostLimit(128))
    for blob in blobs:
        schedule.add(blob)

    # Of eight bodies at the source, two would be of a blob that goes to three places.
    assert names(schedule.start()) == "xb xc xd yb yc yd"
    for blob in blobs[:3]:
        schedule.finish(blob)
    assert names(schedule.start()) == "zb zc zd"


def test_slots_that_blobs_leave_idle_to_start_together_do_not_keep_the_limit_from_growing() -> None:
    schedule, now = Schedule(lambda _: HostLimit(128, 4)), 0.0
    for content in range(99):
        for there in "bcd":
            name = f"{content}{there}"
            schedule.add(work(name, f"a{there}", Priority.COPY, size=1, content=str(content)))

    while started := schedule.start():
        now += 1.0
        for one in started:
            schedule.finish(one, 1.0, now)

    assert schedule.limit_of(REGISTRIES["a"]).bodies.size > 6


def test_what_moved_nothing_says_nothing_of_how_fast_bodies_are() -> None:
    schedule = Schedule(lambda _: HostLimit(128))
    for number in range(99):
        schedule.add(work(str(number), rank=Priority.COPY, size=1))
    for _ in range(3):
        for one in schedule.start():
            schedule.finish(one)

    assert schedule.limit_of(REGISTRIES["a"]).bodies.size == 8


def test_a_slot_is_lent_only_where_nobody_waits_for_it() -> None:
    blobs = [work(str(n), rank=Priority.COPY, size=1) for n in range(4)]
    schedule = scheduled(*blobs[:2], per_registry=4)
    schedule.start()
    a = Registry("a")

    assert schedule.lend(a)
    assert not schedule.lend(a), "a quarter is for small requests"
    for blob in blobs[2:]:
        schedule.add(blob)
    assert schedule.start() == []
    schedule.give_back(a)
    assert names(schedule.start()) == "2"
    assert not schedule.lend(a)
    schedule.finish(blobs[0])
    assert not schedule.lend(a), "3 waits"


def test_a_loan_that_ends_makes_room_for_other_hosts_too() -> None:
    schedule = scheduled(work("ab", on="ab"), work("c", on="c"), registries=2)
    (ab,) = schedule.start()
    assert schedule.lend(Registry("a"))
    schedule.finish(ab)
    assert names(schedule.start()) == "c"

    schedule = scheduled(work("ab", on="ab"), work("bc", on="bc"), registries=2)
    (ab,) = schedule.start()
    assert schedule.lend(Registry("a"))
    schedule.finish(ab)
    assert schedule.start() == []
    schedule.give_back(Registry("a"))
    assert names(schedule.start()) == "bc"
