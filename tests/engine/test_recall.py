"""What is asked of those whom a run remembers, and of those whom a list describes."""

from dataclasses import replace

import pytest

from mirror.engine.ledger import Recall, Remembered
from mirror.events import Status
from mirror.image.platform import Platform, Selection
from mirror.image.reference import Reference
from mirror.mapping.rule_options import RuleOptions
from mirror.mapping.tag_filter import Pattern, TagFilter
from tests.engine.world import Resolve, World

LINE = "s.io/a:1=d.io/a"
IMMUTABLE = RuleOptions(tag_filter=TagFilter(immutable=(Pattern.parse("*"),)))


def synced() -> World:
    world = World()
    world.image("x", name="s.io/a:1")
    world.mirror(LINE)
    world.done.clear()
    return world


def recalling(world: World, *, fresh: bool = True, sampled: bool = False) -> Recall:
    digest = world.tags["s.io/a:1"].digest

    def recall(destination: Reference, wanted: str) -> Remembered | None:
        known = str(destination) == "d.io/a:1" and wanted in ("", "linux/arm64", "referrers")
        return Remembered("s.io/a:1", digest, digest, fresh, sampled) if known else None

    return recall


def asked(world: World) -> list[str]:
    """The sides that were asked what a tag names, the source first."""
    sides = (str(task.side) for task in world.done if isinstance(task, Resolve))
    return sorted(sides, reverse=True)


def test_a_destination_seen_lately_is_not_asked() -> None:
    world = synced()
    (image,) = world.mirror(LINE, recall=recalling(world))

    assert (image.status, image.recalled) == (Status.UNCHANGED, True)
    assert image.digest == image.source_digest == world.tags["s.io/a:1"].digest
    assert asked(world) == ["source"]


def test_one_not_seen_lately_is() -> None:
    world = synced()
    (image,) = world.mirror(LINE, recall=recalling(world, fresh=False))

    assert (image.status, image.recalled) == (Status.UNCHANGED, False)
    assert asked(world) == ["source", "destination"]


def test_a_tag_that_moved_is_looked_up_on_both_sides_and_copied() -> None:
    world = synced()
    recall = recalling(world)
    moved = world.image("y", name="s.io/a:1")
    (image,) = world.mirror(LINE, recall=recall)

    assert (image.status, image.digest, image.recalled) == (Status.COPIED, moved.digest, False)
    assert asked(world) == ["source", "destination"]


def test_a_pinned_digest_that_is_remembered_is_not_asked_for_at_all() -> None:
    world = synced()
    pinned = f"s.io/a@{world.tags['s.io/a:1'].digest}=d.io/a:1"
    (image,) = world.mirror(pinned, recall=recalling(world))

    assert image.status is Status.UNCHANGED
    assert world.done == []


def test_force_remembers_nothing() -> None:
    world = synced()
    (image,) = world.mirror(LINE, recall=recalling(world), force=True)

    assert image.status is Status.COPIED


def test_new_signatures_of_what_is_remembered_come_along() -> None:
    world = synced()
    image = world.tags["s.io/a:1"]
    world.lists["s.io/a"][image.digest] = [world.image("signature")]
    (settled,) = world.mirror(
        LINE, rule_options=RuleOptions(referrers=True), recall=recalling(world)
    )

    assert settled.status is Status.COPIED
    assert "destination" not in asked(world)
    assert len(world.acts()) > 1


def test_a_tag_that_never_moves_is_asked_for_nowhere() -> None:
    world = synced()
    (image,) = world.mirror(LINE, rule_options=IMMUTABLE, recall=recalling(world, fresh=False))

    assert (image.status, image.recalled) == (Status.UNCHANGED, True)
    assert image.digest == world.tags["s.io/a:1"].digest
    assert world.done == []


@pytest.mark.parametrize(
    "rule_options",
    [RuleOptions(), replace(IMMUTABLE, tag_filter=TagFilter(immutable=(Pattern.parse("v*"),)))],
)
def test_other_tags_are(rule_options: RuleOptions) -> None:
    world = synced()
    world.mirror(LINE, rule_options=rule_options, recall=recalling(world))

    assert asked(world) == ["source"]


@pytest.mark.parametrize("line", ["s.io/b:1=d.io/a", "s.io/a:1@DIGEST=d.io/a"])
def test_one_that_another_source_is_to_bring_is_looked_up(line: str) -> None:
    world = synced()
    other = world.image("y", name="s.io/b:1")
    line = line.replace("DIGEST", str(other.digest))
    (image,) = world.mirror(line, rule_options=IMMUTABLE, recall=recalling(world))

    assert (image.status, image.digest) == (Status.COPIED, other.digest)


def test_what_is_known_of_a_destination_is_forgotten_before_it_is_changed() -> None:
    world = synced()
    recall = recalling(world)
    world.image("y", name="s.io/a:1")
    world.mirror(LINE, recall=recall)

    changing = [type(event).__name__ for event in world.events]
    assert changing.index("DestinationChanging") < changing.index("ImageSettled")
    world.mirror(LINE, recall=recall, dry_run=True)
    assert "DestinationChanging" not in [type(event).__name__ for event in world.events]


def test_a_folder_is_never_remembered() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    digest = world.tags["s.io/a:1"].digest
    (image,) = world.mirror(
        "s.io/a:1=oci:usb", recall=lambda *_: Remembered("s.io/a:1", digest, digest, True, False)
    )

    assert image.status is Status.COPIED


def test_a_sample_of_those_that_never_move_is_asked_for() -> None:
    world = synced()
    world.mirror(LINE, rule_options=IMMUTABLE, recall=recalling(world, fresh=False, sampled=True))

    assert asked(world) == ["source", "destination"]


def test_a_tag_that_never_moves_and_was_never_seen_is_copied() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    (image,) = world.mirror(LINE, rule_options=IMMUTABLE)

    assert image.status is Status.COPIED


def test_platforms_that_are_remembered_are_not_chosen_again() -> None:
    world = synced()
    chosen = RuleOptions(selection=Selection((Platform.parse("linux/arm64"),)))
    (image,) = world.mirror(LINE, rule_options=chosen, recall=recalling(world))

    assert (image.status, asked(world)) == (Status.UNCHANGED, ["source"])


def test_a_list_that_says_what_tags_name_spares_looking_them_up() -> None:
    world = synced()
    world.describes = True
    (image,) = world.mirror("s.io/a=d.io/a")

    assert image.status is Status.UNCHANGED
    assert image.digest == world.tags["s.io/a:1"].digest
    assert asked(world) == ["destination"]


def test_what_such_a_list_says_is_copied() -> None:
    world = synced()
    world.describes = True
    moved = world.image("y", name="s.io/a:1")
    (image,) = world.mirror("s.io/a=d.io/a")

    assert (image.status, image.digest) == (Status.COPIED, moved.digest)
