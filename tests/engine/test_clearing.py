"""Deleting what has left its source, after others have brought everything."""

from typing import Any

import pytest

from mirror.engine.pair_processing import PruneProcessing
from mirror.engine.run_state import Run
from mirror.errors import NotFound
from mirror.events import DestinationChanging, PruneSettled
from mirror.image.reference import Reference
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.rule_options import Prune, RuleOptions
from mirror.options import Options
from tests.engine.world import CopyBlob, DeleteManifest, PutManifest, Resolve, Task, World

ALL = RuleOptions(prune=Prune(max_percent=100.0))


def in_step() -> World:
    """A world in which everything was brought, and one tag has left its source."""
    world = World()
    for name in ("a:1", "a:2", "b:1"):
        manifest = world.image(name, name=f"s.io/{name}")
        world.there[f"d.io/{name}"] = manifest.digest
    world.there["d.io/a:old"] = world.image("old").digest
    return world


def cleared(
    world: World,
    *lines: str,
    failed: tuple[str, ...] = (),
    deadline_at: type[Task] | None = None,
    **options: Any,
) -> list[str]:
    """Delete what has left its source; return what was deleted."""
    mappings = Mappings()
    mappings.document(Document("f", "\n".join(lines).encode()), ALL)
    references = [Reference.parse(name) for name in failed]

    async def work(run: Run) -> None:
        clearing = PruneProcessing(run, references)

        async def close(task: Task) -> None:
            if deadline_at is not None and isinstance(task, deadline_at):
                clearing.close()

        world.before = close
        await clearing.carry_out(mappings.rules)

    assert world.run(work, Options(**options)) == []
    assert not [event for event in world.events if not isinstance(event, PruneSettled)
                and not isinstance(event, DestinationChanging)]  # fmt: skip
    assert not [task for task in world.done if isinstance(task, CopyBlob | PutManifest)]
    return [str(task.reference) for task in world.done if isinstance(task, DeleteManifest)]


@pytest.mark.parametrize("line", ["s.io/a=d.io/a", "s.io/*=d.io/*"])
def test_a_tag_that_has_left_its_source_goes(line: str) -> None:
    world = in_step()

    assert cleared(world, line) == ["d.io/a:old"]
    assert world.pruned() == [("d.io/a:old", "pruned")]


def test_a_dry_run_says_what_would_go() -> None:
    world = in_step()

    assert cleared(world, "s.io/a=d.io/a", dry_run=True) == []
    assert world.pruned() == [("d.io/a:old", "planned")]


def test_nothing_goes_where_an_image_did_not_arrive() -> None:
    world = in_step()

    assert cleared(world, "s.io/a=d.io/a", failed=("d.io/a:1",)) == []
    assert world.pruned() == [("d.io/a", "refused")]


def test_what_became_of_other_repositories_is_no_matter() -> None:
    assert cleared(in_step(), "s.io/a=d.io/a", failed=("d.io/b:1",)) == ["d.io/a:old"]


def test_what_another_mapping_brings_stays() -> None:
    assert cleared(in_step(), "s.io/a=d.io/a", "s.io/b:1=d.io/a:old") == []


def test_a_digest_that_was_brought_without_a_tag_stays() -> None:
    world = in_step()
    world.by_digest = True
    digest = world.there["d.io/a:old"]
    cleared(world, "s.io/a=d.io/a", f"s.io/b@{digest}=d.io/a")

    assert world.pruned() == [("d.io/a:old", "kept")]


def test_after_a_deadline_nothing_goes() -> None:
    world = in_step()

    assert cleared(world, "s.io/a=d.io/a", deadline_at=Resolve) == []
    assert world.pruned() == [("d.io/a:old", "deferred")]


def test_where_a_source_cannot_be_listed_nothing_goes() -> None:
    world = in_step()
    world.breaks = lambda task: NotFound("404") if "ListTags" in type(task).__name__ else None

    assert cleared(world, "s.io/a=d.io/a") == []
