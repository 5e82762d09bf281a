"""Which repositories there are, for those who cut the work between them."""

from typing import Any

from mirror.errors import Denied, MirrorError
from mirror.events import Event, ImageSettled, RepositoriesFound, Status
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.terms import Terms
from mirror.options import Options
from mirror.plan.survey import Survey
from mirror.plan.task import ListCatalog
from mirror.shard import Shard
from tests.plan.world import World, kinds


def surveyed(
    world: World, *lines: str, terms: Terms | None = None, **options: Any
) -> tuple[Survey, list[str], list[tuple[str, Status]]]:
    """Return a survey, the rules that it came to, and what it settled."""
    mappings = Mappings()
    mappings.document(Document("f", "\n".join(lines).encode()), terms)
    survey = Survey(mappings.rules, Options(**options))
    while tasks := survey.tasks():
        for task in tasks:
            assert survey.dispatch(task) == task
            survey.learn(task, world.breaks(task) or world._answer(task))
    rules = [f"{rule.source}={rule.target}" for rule in survey.rules]
    return survey, rules, settled(survey.events)


def settled(events: list[Event]) -> list[tuple[str, Status]]:
    return [(one.source, one.status) for one in events if isinstance(one, ImageSettled)]


def filled() -> World:
    world = World()
    world.page = 2
    for name in ("team/a:1", "team/a:2", "team/b:1", "other:1", "team/c:9"):
        world.image(name, name=f"s.io/{name}")
    return world


def test_catalogs_become_repositories_and_the_rest_stays() -> None:
    world = filled()
    _, rules, events = surveyed(world, "s.io/x:1=d.io/x", "s.io/team/*:1=d.io/m/*", "s.io/y=d.io/y")

    assert sorted(rules) == [
        "s.io/team/a:1=d.io/m/a", "s.io/team/b:1=d.io/m/b", "s.io/team/c:1=d.io/m/c",
        "s.io/x:1=d.io/x", "s.io/y=d.io/y",
    ]  # fmt: skip
    assert events == []
    assert set(kinds(world.done)) == {"ListCatalog"}


def test_a_catalog_that_cannot_be_read_has_failed_and_the_rest_is_done() -> None:
    world = filled()
    world.breaks = lambda task: Denied("no") if isinstance(task, ListCatalog) else None
    _, rules, events = surveyed(world, "s.io/x:1=d.io/x", "s.io/*=d.io/*")

    assert rules == ["s.io/x:1=d.io/x"]
    assert events == [("s.io/*", Status.FAILED)]


def test_a_pattern_that_matches_no_repository_has_failed() -> None:
    assert surveyed(filled(), "s.io/none/*=d.io/*")[2] == [("s.io/none/*", Status.FAILED)]
    assert surveyed(filled(), "s.io/none/*=d.io/*", skip_missing=True)[2] == [
        ("s.io/none/*", Status.SKIPPED)
    ]
    assert surveyed(filled(), "s.io/none/*=d.io/*", terms=Terms(allow_empty=True))[2] == []


def test_a_pattern_of_which_nothing_was_found_has_failed_in_the_end() -> None:
    survey, _, _ = surveyed(filled(), "s.io/team/*:v*=d.io/m/*", "s.io/o*:1*=d.io/o/*")
    catalogs = {rule.catalog for rule in survey.rules}
    survey.bore_fruit(next(name for name in catalogs if name.startswith("s.io/o*")))
    survey.conclude()

    assert settled(survey.events) == [("s.io/team/*:v*", Status.FAILED)]


def test_only_the_repositories_of_this_share_are_for_this_run() -> None:
    rules: list[str] = []
    for index in (1, 2, 3):
        survey, mine, _ = surveyed(
            filled(), "s.io/*=d.io/*", "s.io/x:1=d.io/x", shard=Shard(index, 3)
        )
        found = [one for one in survey.events if isinstance(one, RepositoriesFound)]
        assert sum(one.mine for one in found) == len(mine)
        assert sum(one.mine + one.others for one in found) == 5
        survey.conclude()
        assert settled(survey.events) == []
        rules += mine

    assert len(rules) == len(set(rules)) == 5


def test_what_is_not_known_when_it_is_left_is_deferred() -> None:
    mappings = Mappings()
    mappings.document(Document("f", b"s.io/*=d.io/*"))
    survey = Survey(mappings.rules, Options())
    (task,) = survey.tasks()
    survey.close_admission()
    survey.learn(task, MirrorError("late"))

    assert settled(survey.events) == [("s.io/*", Status.DEFERRED)]
