"""Which repositories there are, for those who cut the work between them."""

from typing import Any

import anyio

from mirror.cluster.catalog_expansion import CatalogExpansion
from mirror.engine.run_state import Run
from mirror.errors import Denied
from mirror.events import ImageSettled, RepositoriesFound, Status
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.rule_options import RuleOptions
from mirror.options import Options
from mirror.shard import Shard
from tests.engine.world import ListCatalog, Task, World, kinds


def expanded(
    world: World,
    *lines: str,
    rule_options: RuleOptions | None = None,
    concludes: bool = False,
    found: str = "",
    **options: Any,
) -> tuple[list[str], list[tuple[str, Status]]]:
    """Return the rules that catalogs came to, and what was settled.

    In the end images were ``found`` in a repository, and it ``concludes``.
    """
    mappings = Mappings()
    mappings.document(Document("f", "\n".join(lines).encode()), rule_options)
    asked, rules = Options(**options), list[str]()

    async def work(run: Run) -> None:
        expansion = CatalogExpansion(mappings.rules, asked, run.emit)
        await expansion.read(run)
        expansion.defer()
        rules.extend(f"{rule.source}={rule.target}" for rule in expansion.rules)
        if found:
            expansion.settled(ImageSettled(f"{found}:1", "d.io/x:1", "f:2", Status.COPIED))
        if concludes:
            await expansion.conclude(run)

    world.run(work, asked)
    return rules, settled(world)


def settled(world: World) -> list[tuple[str, Status]]:
    return [(str(one.source), one.status) for one in world.events if isinstance(one, ImageSettled)]


def filled() -> World:
    world = World()
    world.page = 2
    for name in ("team/a:1", "team/a:2", "team/b:1", "other:1", "team/c:9"):
        world.image(name, name=f"s.io/{name}")
    return world


def test_catalogs_become_repositories_and_the_rest_stays() -> None:
    world = filled()
    rules, events = expanded(world, "s.io/x:1=d.io/x", "s.io/team/*:1=d.io/m/*", "s.io/y=d.io/y")

    assert sorted(rules) == [
        "s.io/team/a:1=d.io/m/a", "s.io/team/b:1=d.io/m/b", "s.io/team/c:1=d.io/m/c",
        "s.io/x:1=d.io/x", "s.io/y=d.io/y",
    ]  # fmt: skip
    assert events == []
    assert set(kinds(world.done)) == {"ListCatalog"}


def test_a_catalog_that_cannot_be_read_has_failed_and_the_rest_is_done() -> None:
    world = filled()
    world.breaks = lambda task: Denied("no") if isinstance(task, ListCatalog) else None
    rules, events = expanded(world, "s.io/x:1=d.io/x", "s.io/*=d.io/*")

    assert rules == ["s.io/x:1=d.io/x"]
    assert events == [("s.io/*", Status.FAILED)]


def test_a_pattern_that_matches_no_repository_has_failed() -> None:
    assert expanded(filled(), "s.io/none/*=d.io/*")[1] == [("s.io/none/*", Status.FAILED)]
    assert expanded(filled(), "s.io/none/*=d.io/*", skip_missing=True)[1] == [
        ("s.io/none/*", Status.SKIPPED)
    ]
    assert (
        expanded(filled(), "s.io/none/*=d.io/*", rule_options=RuleOptions(allow_empty=True))[1]
        == []
    )


def test_a_pattern_of_which_nothing_was_found_has_failed_in_the_end() -> None:
    lines = "s.io/team/*:v*=d.io/m/*", "s.io/o*:1*=d.io/o/*"
    _, told = expanded(filled(), *lines, concludes=True, found="s.io/other")

    assert told == [("s.io/team/*:v*", Status.FAILED)]


def test_only_the_repositories_of_this_share_are_for_this_run() -> None:
    rules: list[str] = []
    for index in (1, 2, 3):
        world, lines = filled(), ("s.io/*=d.io/*", "s.io/x:1=d.io/x")
        mine, told = expanded(world, *lines, concludes=True, shard=Shard(index, 3))
        found = [one for one in world.events if isinstance(one, RepositoriesFound)]
        assert sum(one.mine for one in found) == len(mine)
        assert sum(one.mine + one.others for one in found) == 5
        assert told == []
        rules += mine

    assert len(rules) == len(set(rules)) == 5


def test_what_is_not_known_when_it_is_left_is_deferred() -> None:
    world, mappings = filled(), Mappings()
    mappings.document(Document("f", b"s.io/*=d.io/*"))

    async def hang(task: Task) -> None:
        if isinstance(task, ListCatalog) and task.page:
            await anyio.sleep_forever()

    async def work(run: Run) -> None:
        expansion = CatalogExpansion(mappings.rules, Options(), run.emit)
        with anyio.move_on_after(0.05):
            await expansion.read(run)
        expansion.defer()
        assert expansion.rules, "what had come is known"

    world.before = hang
    world.run(work, Options())

    assert settled(world) == [("s.io/*", Status.DEFERRED)]
