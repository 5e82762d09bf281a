"""Shares of a copy: together everything, and nothing twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import Denied
from mirror.events import RepositoriesFound, Status
from mirror.image.reference import Repository
from mirror.mapping.rule_options import RuleOptions
from mirror.mapping.tag_filter import Pin, TagFilter
from mirror.shard import Shard
from tests.engine.world import ListTags, World, kinds

LINES = ("s.io/team/*=d.io/m/*", "s.io/other:1=d.io/m/other:1", "s.io/team/a=d.io/all")


def filled(repositories: int = 9) -> World:
    world = World()
    for number in range(repositories):
        for tag in "12":
            name = f"team/{chr(97 + number)}:{tag}"
            world.image(name, name=f"s.io/{name}")
    world.image("other", name="s.io/other:1")
    return world


def test_all_shares_together_are_the_whole_and_none_writes_where_another_does() -> None:
    whole = filled()
    whole.mirror(*LINES)
    shares = [filled() for _ in range(3)]
    for index, world in enumerate(shares, start=1):
        world.mirror(*LINES, shard=Shard(index, 3))

    repositories = [{name.rpartition(":")[0] for name in world.there} for world in shares]
    assert sum(map(len, repositories)) == len(set.union(*repositories))
    assert all(repositories)
    assert {k: v for world in shares for k, v in world.there.items()} == whole.there


@given(st.integers(1, 6), st.data())
def test_a_share_tells_how_much_it_is(count: int, data: st.DataObject) -> None:
    world = filled()
    index = data.draw(st.integers(1, count))
    world.mirror(*LINES, shard=Shard(index, count))
    found = [event for event in world.events if isinstance(event, RepositoriesFound)]

    assert sum(one.mine + one.others for one in found) == 11
    assert sum(one.mine for one in found) == len({name.rpartition(":")[0] for name in world.there})


def test_the_source_is_not_asked_for_what_is_of_another_share() -> None:
    asked = []
    for index in (1, 2, 3):
        world = filled()
        world.mirror(*LINES, shard=Shard(index, 3))
        asked += [task.repository for task in world.done if isinstance(task, ListTags)]

    assert len(asked) == len(set(asked)) + 1  # s.io/team/a goes to two places


def one_tag(match: str) -> tuple[World, list[Shard]]:
    """A catalog in which one repository has a tag that matches, and whose share that is."""
    world = filled()
    world.image("x", name=f"s.io/team/{match}:v9")
    return world, [Shard(index, 3) for index in (1, 2, 3)]


def test_a_share_in_which_nothing_matches_is_no_failure_where_something_does_elsewhere() -> None:
    came_to = []
    for shard in one_tag("a")[1]:
        world, _ = one_tag("a")
        came_to += [(image.status, str(image.destination))
                    for image in world.mirror("s.io/team/*:v*=d.io/m/*", shard=shard)]  # fmt: skip

    assert came_to == [(Status.COPIED, "d.io/m/a:v9")]


def test_a_pattern_that_matches_nothing_anywhere_fails_in_every_share() -> None:
    for index in (1, 2, 3):
        (failed,) = filled().mirror("s.io/team/*:v*=d.io/m/*", shard=Shard(index, 3))

        assert (failed.status, failed.source) == (Status.FAILED, "s.io/team/*:v*")
        assert "no tag matches" in str(failed.error)


def test_more_shares_than_repositories_is_no_failure() -> None:
    settled = [
        image for index in range(1, 9)
        for image in filled(1).mirror("s.io/team/*=d.io/m/*", shard=Shard(index, 8))
    ]  # fmt: skip

    assert {(image.status, str(image.destination)) for image in settled} == {
        (Status.COPIED, "d.io/m/a:1"), (Status.COPIED, "d.io/m/a:2"),
    }  # fmt: skip
    assert len(settled) == 2


def test_what_is_asked_of_other_shares_stops_at_the_first_that_matches() -> None:
    world = filled(20)
    there = [Repository.parse(f"d.io/m/{chr(97 + number)}") for number in range(20)]
    shards = [Shard(index, 20) for index in range(1, 21)]
    idle = next(shard for shard in shards if not any(map(shard.owns, there)))
    world.mirror("s.io/team/*=d.io/m/*", shard=idle)

    assert kinds(world.done).count("ListTags") == 1


def test_trouble_in_another_share_is_told_there_and_not_here() -> None:
    for index in (1, 2, 3):
        world = filled(1)
        world.breaks = lambda task: Denied("403") if isinstance(task, ListTags) else None
        settled = world.mirror("s.io/team/*=d.io/m/*", shard=Shard(index, 3))
        owned = Shard(index, 3).owns(Repository.parse("d.io/m/a"))

        assert [image.status for image in settled] == ([Status.FAILED] if owned else [])


@pytest.mark.parametrize("index", [1, 2, 3])
def test_a_pin_of_another_share_is_something_that_matches(index: int) -> None:
    world = filled(1)
    digest = world.tags["s.io/team/a:1"].digest
    rule_options = RuleOptions(tag_filter=TagFilter(include=(), pins=(Pin("p", digest),)))
    settled = world.mirror(
        "s.io/team/*:v*=d.io/m/*", rule_options=rule_options, shard=Shard(index, 3)
    )

    assert {image.status for image in settled} <= {Status.COPIED}
