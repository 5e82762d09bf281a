"""Deleting what has left its source, after others have brought everything."""

from typing import Any

import pytest

from mirror.errors import MirrorError, NotFound
from mirror.events import ImageSettled, ImagesFound, PruneSettled, Status
from mirror.mapping.grammar import Document, Mappings
from mirror.mapping.terms import Prune, Terms
from mirror.options import Options
from mirror.plan.clearing import Clearing, clearing_of, without_pruning
from mirror.plan.task import CopyBlob, DeleteManifest, PutManifest
from tests.plan.world import World

ALL = Terms(prune=Prune(max_percent=100.0))


def in_step() -> World:
    """A world in which everything was brought, and one tag has left its source."""
    world = World()
    for name in ("a:1", "a:2", "b:1"):
        manifest = world.image(name, name=f"s.io/{name}")
        world.there[f"d.io/{name}"] = manifest.digest
    world.there["d.io/a:old"] = world.image("old").digest
    return world


def clearing(*lines: str, terms: Terms | None = ALL, **options: Any) -> Clearing:
    mappings = Mappings()
    mappings.document(Document("f", "\n".join(lines).encode()), terms)
    found = clearing_of(mappings.rules, Options(**options))
    assert found is not None
    return found


def carried_out(world: World, work: Clearing, stop_after: int | None = None) -> list[str]:
    """Carry it out, one task after the other; return what was deleted."""
    count = 0
    while tasks := work.tasks():
        for task in tasks:
            if (dispatched := work.dispatch(task)) is None:
                work.learn(task, MirrorError("dropped"))
                continue
            assert not isinstance(dispatched, CopyBlob | PutManifest)
            work.learn(task, world.breaks(dispatched) or world._answer(dispatched))
            count += 1
            if count == stop_after:
                work.close_admission()
    work.abandon()
    assert not [event for event in work.events if isinstance(event, ImageSettled | ImagesFound)]
    return [str(task.reference) for task in world.done if isinstance(task, DeleteManifest)]


def told(work: Clearing) -> list[tuple[str, str]]:
    return [(one.destination, str(one.outcome))
            for one in work.events if isinstance(one, PruneSettled)]  # fmt: skip


@pytest.mark.parametrize("line", ["s.io/a=d.io/a", "s.io/*=d.io/*"])
def test_a_tag_that_has_left_its_source_goes(line: str) -> None:
    work = clearing(line)

    assert carried_out(in_step(), work) == ["d.io/a:old"]
    assert told(work) == [("d.io/a:old", "pruned")]


def test_a_dry_run_says_what_would_go() -> None:
    work = clearing("s.io/a=d.io/a", dry_run=True)
    carried_out(in_step(), work)

    assert told(work) == [("d.io/a:old", "planned")]


@pytest.mark.parametrize("status", [Status.FAILED, Status.DEFERRED])
def test_nothing_goes_where_an_image_did_not_arrive(status: Status) -> None:
    work = clearing("s.io/a=d.io/a")
    work.settled(ImageSettled("s.io/a:1", "d.io/a:1", "f:1", status))

    assert carried_out(in_step(), work) == []
    assert told(work) == [("d.io/a", "refused")]


def test_what_became_of_others_and_of_patterns_is_no_matter() -> None:
    work = clearing("s.io/a=d.io/a")
    work.settled(ImageSettled("s.io/b:1", "d.io/b:1", "f:1", Status.FAILED))
    work.settled(ImageSettled("s.io/*", "d.io/*", "f:1", Status.FAILED))
    work.settled(ImageSettled("s.io/a:1", "d.io/a:1", "f:1", Status.COPIED))

    assert carried_out(in_step(), work) == ["d.io/a:old"]


def test_what_another_mapping_brings_stays() -> None:
    assert carried_out(in_step(), clearing("s.io/a=d.io/a", "s.io/b:1=d.io/a:old")) == []


def test_a_digest_that_was_brought_without_a_tag_stays() -> None:
    world = in_step()
    world.by_digest = True
    digest = world.there["d.io/a:old"]
    work = clearing("s.io/a=d.io/a", f"s.io/b@{digest}=d.io/a")
    carried_out(world, work)

    assert told(work) == [("d.io/a:old", "kept")]


def test_after_a_deadline_nothing_goes() -> None:
    work = clearing("s.io/a=d.io/a")

    assert carried_out(in_step(), work, stop_after=1) == []
    assert told(work) == [("d.io/a", "deferred")]


def test_where_a_source_cannot_be_listed_nothing_goes() -> None:
    world = in_step()
    world.breaks = lambda task: NotFound("404") if "ListTags" in type(task).__name__ else None

    assert carried_out(world, clearing("s.io/a=d.io/a")) == []


def test_who_deletes_nothing_has_nothing_to_clear() -> None:
    mappings = Mappings()
    mappings.document(Document("f", b"s.io/a=d.io/a"), ALL)
    (rule,) = mappings.rules
    quiet = without_pruning(rule)

    assert clearing_of([quiet], Options()) is None
    assert quiet.terms == Terms()
    assert without_pruning(quiet) is quiet
