"""Which images the mappings name, and what is said when they name none."""

from typing import Any

import pytest

from mirror.engine.admission import Admission
from mirror.engine.run_state import Run
from mirror.errors import Denied, NotFound
from mirror.events import Status
from mirror.mapping.grammar import parse
from mirror.mapping.rule_options import RuleOptions
from mirror.mapping.tag_filter import Age, Pattern, Pin, TagFilter
from mirror.mapping.version import Range
from mirror.mapping.wildcard import Pair
from mirror.options import Options
from tests.engine.world import ListCatalog, ListTags, ReadCreation, Task, World, kinds


def statuses(world: World, *lines: str, **options: Any) -> dict[str, Status]:
    return {str(image.source): image.status for image in world.mirror(*lines, **options)}


def filled() -> World:
    world = World()
    for name in ("team/a:1", "team/a:2", "team/b:1", "other:1"):
        world.image(name, name=f"s.io/{name}")
    return world


def test_every_tag_of_every_repository_that_matches_is_found() -> None:
    assert statuses(filled(), "s.io/team/*=d.io/m/*") == {
        "s.io/team/a:1": Status.COPIED,
        "s.io/team/a:2": Status.COPIED,
        "s.io/team/b:1": Status.COPIED,
    }


def test_a_tag_named_with_a_path_pattern_needs_no_tag_list() -> None:
    world = filled()

    assert statuses(world, "s.io/team/*:1=d.io/m/*").keys() == {"s.io/team/a:1", "s.io/team/b:1"}
    assert "ListTags" not in kinds(world.done)


def test_a_list_that_two_mappings_need_is_asked_for_once() -> None:
    world = filled()
    statuses(world, "s.io/team/a:1*=d.io/a", "s.io/team/a:2*=d.io/b", "s.io/t*=d.io/x/*",
             "s.io/o*=d.io/y/*")  # fmt: skip

    assert kinds(world.done).count("ListCatalog") == 1
    assert len({t for t in world.done if isinstance(t, ListTags)}) == kinds(world.done).count(
        "ListTags"
    )


@pytest.mark.parametrize("second", ["s.io/team/a=d.io/team/a", "s.io/team/*=d.io/team/*"])
def test_patterns_that_overlap_on_one_line_find_everything_once(second: str) -> None:
    assert statuses(filled(), f"s.io/*=d.io/* {second}").keys() == {
        "s.io/team/a:1", "s.io/team/a:2", "s.io/team/b:1", "s.io/other:1",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line", ["s.io/team/a:9*=d.io/a", "s.io/none/*=d.io/*", "s.io/team/*:9*=d.io/*"]
)
def test_a_pattern_that_matches_nothing_is_one_failure(line: str) -> None:
    (image,) = filled().mirror(line)

    assert image.status is Status.FAILED
    assert str(image.source) == line.partition("=")[0]
    assert image.error is not None
    assert (image.error.category, "matches" in str(image.error)) == ("not_found", True)


def test_a_repository_without_a_matching_tag_is_no_failure_beside_one_that_has() -> None:
    assert statuses(filled(), "s.io/team/*:2*=d.io/*") == {"s.io/team/a:2": Status.COPIED}


def refusing(error: Exception, kind: type[Task], word: str = "") -> object:
    return lambda task: error if isinstance(task, kind) and word in str(task) else None


def test_a_list_that_is_refused_is_one_failure_of_its_mapping() -> None:
    world = filled()
    world.breaks = refusing(Denied("401"), ListTags)  # type: ignore[assignment]

    assert statuses(world, "s.io/team/a=d.io/a", "s.io/other:1=d.io/o") == {
        "s.io/team/a": Status.FAILED,
        "s.io/other:1": Status.COPIED,
    }


def test_a_catalog_that_is_refused_is_one_failure_of_its_mapping() -> None:
    world = filled()
    world.breaks = refusing(Denied("401"), ListCatalog)  # type: ignore[assignment]

    assert statuses(world, "s.io/team/*=d.io/*") == {"s.io/team/*": Status.FAILED}


def test_one_repository_of_a_catalog_that_is_refused_is_named() -> None:
    world = filled()
    world.breaks = refusing(Denied("401"), ListTags, "team/b")  # type: ignore[assignment]

    assert statuses(world, "s.io/team/*=d.io/*") == {
        "s.io/team/a:1": Status.COPIED,
        "s.io/team/a:2": Status.COPIED,
        "s.io/team/b": Status.FAILED,
    }


def test_a_repository_that_vanished_since_the_catalog_is_no_failure() -> None:
    world = filled()
    world.breaks = refusing(NotFound("404"), ListTags, "team/b")  # type: ignore[assignment]

    assert statuses(world, "s.io/team/*=d.io/*").keys() == {"s.io/team/a:1", "s.io/team/a:2"}


def test_a_missing_repository_is_skipped_if_that_was_asked_for() -> None:
    world = World()
    world.breaks = refusing(NotFound("404"), ListTags)  # type: ignore[assignment]

    assert statuses(world, "s.io/a=d.io/a", skip_missing=True) == {"s.io/a": Status.SKIPPED}


def chosen(world: World, line: str, rule_options: RuleOptions) -> list[str]:
    """The tags that are copied."""
    images = world.mirror(line, rule_options=rule_options)
    assert {image.status for image in images} <= {Status.COPIED}
    return sorted(str(image.source).rpartition(":")[2] for image in images)


def versions() -> World:
    world = World()
    for number, tag in enumerate(("v1.0", "v1.1", "v1.1-rc1", "v10.0", "latest")):
        world.image(tag, name=f"s.io/app:{tag}")
        world.created[f"s.io/app:{tag}"] = float(-number)
    return world


@pytest.mark.parametrize(
    ("tag_filter", "tags"),
    [
        (TagFilter(include=(Pattern.parse("v1.*"),)), ["v1.0", "v1.1", "v1.1-rc1"]),
        (TagFilter(semver=Range.parse(">=1.1")), ["v1.1", "v10.0"]),
        (TagFilter(newest=1), ["v10.0"]),
        (TagFilter(newest=2, exclude=(Pattern.parse("*rc*"),)), ["v1.1", "v10.0"]),
        (TagFilter(newest=2, age=Age.CREATED), ["v1.0", "v1.1"]),
        (TagFilter(newest=9, age=Age.CREATED), ["latest", "v1.0", "v1.1", "v1.1-rc1", "v10.0"]),
    ],
)
def test_of_the_tags_there_are_some_are_chosen(tag_filter: TagFilter, tags: list[str]) -> None:
    assert chosen(versions(), "s.io/app=d.io/app", RuleOptions(tag_filter=tag_filter)) == tags
    assert chosen(versions(), "s.io/*=d.io/m/*", RuleOptions(tag_filter=tag_filter)) == tags


def test_a_choice_is_of_what_the_source_says() -> None:
    rule_options = RuleOptions(tag_filter=TagFilter(newest=1))

    assert chosen(versions(), "s.io/app:v1.*=d.io/app", rule_options) == ["v1.1"]


def test_a_pinned_tag_names_its_digest_whatever_the_source_says() -> None:
    world = versions()
    pinned = world.image("pinned")
    tag_filter = TagFilter(pins=(Pin("v1.0", pinned.digest),), include=(Pattern.parse("v1.1"),))
    images = world.mirror("s.io/app=d.io/app", rule_options=RuleOptions(tag_filter=tag_filter))

    assert sorted((str(image.destination), image.digest) for image in images) == [
        ("d.io/app:v1.0", pinned.digest),
        ("d.io/app:v1.1", world.tags["s.io/app:v1.1"].digest),
    ]


def test_only_as_many_dates_are_asked_for_as_there_is_a_choice_between() -> None:
    world = versions()
    chosen(world, "s.io/app=d.io/app", RuleOptions(tag_filter=TagFilter(newest=5, age=Age.CREATED)))
    assert "ReadCreation" not in kinds(world.done)


def test_a_tag_that_goes_before_it_is_dated_is_none() -> None:
    world = versions()
    world.breaks = lambda task: (
        NotFound("404") if isinstance(task, ReadCreation) and task.reference.tag == "v1.0" else None
    )
    rule_options = RuleOptions(tag_filter=TagFilter(newest=1, age=Age.CREATED))

    assert chosen(world, "s.io/app=d.io/app", rule_options) == ["v1.1"]


def test_a_date_that_cannot_be_read_is_a_failure_beside_the_others() -> None:
    world = versions()
    world.breaks = lambda task: (
        Denied("403") if isinstance(task, ReadCreation) and task.reference.tag == "v1.0" else None
    )
    images = world.mirror(
        "s.io/app=d.io/app",
        rule_options=RuleOptions(tag_filter=TagFilter(newest=1, age=Age.CREATED)),
    )

    assert sorted((str(image.source), str(image.status)) for image in images) == [
        ("s.io/app", "failed"), ("s.io/app:v1.1", "copied"),
    ]  # fmt: skip


@pytest.mark.parametrize("line", ["s.io/app=d.io/app", "s.io/*=d.io/m/*", "s.io/none/*=d.io/n/*"])
def test_what_may_be_empty_is_no_failure_if_it_is(line: str) -> None:
    nothing = TagFilter(include=(Pattern.parse("nothing"),))

    assert (
        versions().mirror(line, rule_options=RuleOptions(tag_filter=nothing, allow_empty=True))
        == []
    )
    (image,) = versions().mirror(line, rule_options=RuleOptions(tag_filter=nothing))
    assert image.status is Status.FAILED


def test_no_more_images_are_open_than_there_is_room_for() -> None:
    world, opened = World(), list[Pair]()

    async def work(run: Run) -> None:
        admission = Admission(lambda _: 2, run.emit, opened.append, lambda _: None)
        rules = (f"s.io/a:{number}=d.io/a" for number in range(20))
        admission.add(parse(rules))
        assert len(opened) == 8
        admission.close(opened[0])
        assert len(opened) == 9
        assert admission.waiting == 11
        admission.defer()
        admission.close(opened[1])
        assert len(opened) == 9

    deferred = world.run(work, Options())

    assert [image.status for image in deferred] == [Status.DEFERRED] * 11
