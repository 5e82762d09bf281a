"""What is planned for what was asked, seen without an event loop."""

import pytest

from mirror.errors import Denied, Incomplete, MirrorError, NetworkError, NotFound, Place, Side
from mirror.events import Status
from mirror.image.digest import Digest
from mirror.image.platform import Platform
from mirror.image.reference import Repository
from mirror.image.selection import Selection
from mirror.mapping.grammar import Document, parse
from mirror.options import Options
from mirror.plan.planner import Planner
from mirror.plan.task import (
    CopyBlob,
    FindBlob,
    FindRepository,
    PutManifest,
    ReadManifest,
    Resolve,
    Task,
)
from tests.plan.world import World, kinds, settled

X, Y = Digest.of(b"x").short, Digest.of(b"y").short


def test_a_fresh_image_is_its_blobs_and_then_its_tag() -> None:
    world = World()
    world.image("x", "y", name="s.io/a:1")

    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert image.status is Status.COPIED
    assert image.bytes_copied == 2
    assert world.acts() == [
        f"copy {X} to d.io/a from d.io/a",
        f"copy {Y} to d.io/a from d.io/a",
        "put d.io/a:1",
    ]


LINUX = Selection((Platform("linux", "amd64"), Platform("linux", "arm64")))


def test_a_chosen_child_is_put_under_the_tag_and_the_next_run_finds_it_unchanged() -> None:
    world = World()
    amd, arm = world.image("x"), world.image("y")
    world.index(amd, arm, name="s.io/a:1", platforms=["linux/amd64", "linux/s390x"])

    (image,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)
    (again,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)

    assert (image.status, image.digest) == (Status.COPIED, amd.digest)
    assert image.source_digest == world.tags["s.io/a:1"].digest
    assert (again.status, again.digest) == (Status.UNCHANGED, amd.digest)
    assert world.acts() == [f"copy {X} to d.io/a from d.io/a", "put d.io/a:1"]


def test_a_rewritten_index_is_put_under_the_tag_after_its_children() -> None:
    world = World()
    children = [world.image(name) for name in "xyz"]
    names = ["linux/amd64", "linux/s390x", "linux/arm64"]
    world.index(*children, name="s.io/a:1", platforms=names)

    (image,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)
    (again,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)

    assert (image.status, again.status) == (Status.COPIED, Status.UNCHANGED)
    assert image.digest == again.digest == world.there["d.io/a:1"] != image.source_digest
    puts = [act for act in world.acts() if act.startswith("put")]
    assert puts[-1] == "put d.io/a:1"
    assert len(puts) == 3


def test_a_destination_with_the_whole_index_is_cut_down() -> None:
    world = World()
    amd, arm = world.image("x"), world.image("y")
    world.index(amd, arm, name="s.io/a:1", platforms=["linux/amd64", "linux/s390x"])
    world.mirror("s.io/a:1=d.io/a")

    (image,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)

    assert (image.status, image.digest) == (Status.COPIED, amd.digest)


def test_a_single_image_is_taken_as_it_is_whatever_is_chosen() -> None:
    world = World()
    wanted = world.image("x", name="s.io/a:1")

    (image,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)

    assert (image.status, image.digest) == (Status.COPIED, wanted.digest)


@pytest.mark.parametrize("name", ["s.io/a:1", "digest"])
def test_an_index_without_any_wanted_platform_fails_and_is_not_skipped(name: str) -> None:
    world = World()
    index = world.index(world.image("x"), name="s.io/a:1", platforms=["linux/s390x"])
    source = name if name != "digest" else f"s.io/a@{index.digest}"

    (image,) = world.mirror(f"{source}=d.io/a:1", selection=LINUX, skip_missing=True)

    assert image.status is Status.FAILED
    assert image.error is not None
    assert image.error.category == "not_found"
    assert image.error.place is not None
    assert image.error.place.side is Side.SOURCE
    assert world.acts() == []


def test_a_chosen_child_of_an_index_by_digest_is_pushed_by_its_own_digest() -> None:
    world = World()
    amd, arm = world.image("x"), world.image("y")
    index = world.index(amd, arm, name="s.io/a:1", platforms=["linux/amd64", "linux/s390x"])

    (image,) = world.mirror(f"s.io/a@{index.digest}=d.io/a", selection=LINUX)

    assert image.digest == amd.digest
    assert world.acts()[-1] == f"put d.io/a@{amd.digest}"


def test_what_a_tag_names_by_now_is_filtered_too() -> None:
    world = World()
    gone = world.image("x", name="s.io/a:1")
    amd, other = world.image("y"), world.image("z")

    def move(task: Task) -> MirrorError | None:
        if isinstance(task, ReadManifest) and task.digest == gone.digest:
            world.index(amd, other, name="s.io/a:1", platforms=["linux/amd64", "linux/s390x"])
            return NotFound("404").at(Place(Side.SOURCE, "s.io/a", "reading the manifest"))
        return None

    world.breaks = move
    (image,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)

    assert (image.status, image.digest) == (Status.COPIED, amd.digest)


def test_an_index_that_does_not_say_what_it_is_is_filtered_too() -> None:
    world = World()
    amd, other = world.image("x"), world.image("y")
    world.index(amd, other, name="s.io/a:1", platforms=["linux/amd64", "linux/s390x"])
    world.vague = True

    (image,) = world.mirror("s.io/a:1=d.io/a", selection=LINUX)

    assert (image.status, image.digest) == (Status.COPIED, amd.digest)


@pytest.mark.parametrize("target", ["d.io/a:1", "d.io/a"])
@pytest.mark.parametrize("whole", [True, False])
def test_a_digest_is_unchanged_the_next_night_whatever_is_chosen(target: str, whole: bool) -> None:
    world = World()
    amd, other = world.image("x"), world.image("y")
    index = world.index(amd, other, platforms=["linux/amd64", "linux/s390x"])
    wanted = index if whole else amd
    mapping = f"s.io/a@{wanted.digest}={target}"

    (image,) = world.mirror(mapping, selection=LINUX)
    before = world.acts()
    (again,) = world.mirror(mapping, selection=LINUX)

    assert (image.digest, again.digest) == (amd.digest, amd.digest)
    assert (image.status, again.status) == (Status.COPIED, Status.UNCHANGED)
    assert world.acts() == before
    if target == "d.io/a":
        assert image.destination == again.destination == f"d.io/a@{amd.digest}"


def test_an_index_whose_only_wanted_child_is_gone_is_broken_and_not_missing() -> None:
    world = World()
    amd, other = world.image("x"), world.image("y")
    index = world.index(amd, other, platforms=["linux/amd64", "linux/s390x"])
    del world.manifests[amd.digest]

    (image,) = world.mirror(f"s.io/a@{index.digest}=d.io/a:1", selection=LINUX, skip_missing=True)

    assert image.status is Status.FAILED


def test_both_sides_are_asked_before_either_answers() -> None:
    rules = parse(["s.io/a:1=d.io/a"])

    assert kinds(Planner(rules, Options()).tasks()) == ["Resolve", "Resolve"]


def test_an_unchanged_image_costs_two_questions() -> None:
    world = World()
    world.there["d.io/a:1"] = world.image("x", name="s.io/a:1").digest

    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert image.status is Status.UNCHANGED
    assert kinds(world.done) == ["Resolve", "Resolve"]


def test_children_go_before_their_index_and_the_tag_goes_last() -> None:
    world = World()
    one, two = world.image("x"), world.image("x", "y")
    inner = world.index(two)
    world.index(one, inner, name="s.io/a:1")

    world.mirror("s.io/a:1=d.io/a")
    puts = [act for act in world.acts() if act.startswith("put")]

    assert puts[-1] == "put d.io/a:1"
    assert puts.index(f"put d.io/a@{two.digest}") < puts.index(f"put d.io/a@{inner.digest}")
    assert len(puts) == 4


def test_a_blob_named_by_many_is_copied_once() -> None:
    world = World()
    for tag in "123":
        world.image("x", tag, name=f"s.io/a:{tag}")

    world.mirror("s.io/a=d.io/a")

    assert [act for act in world.acts() if X in act] == [f"copy {X} to d.io/a from d.io/a"]


def test_a_blob_that_another_repository_has_is_mounted_from_there() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.image("x", name="s.io/b:1")

    world.mirror("s.io/a:1=d.io/a", "s.io/b:1=d.io/b")

    assert f"copy {X} to d.io/b from d.io/a" in world.acts()


def test_within_one_registry_blobs_are_mounted_from_the_source() -> None:
    world = World()
    world.blobs.add(("s.io/a", Digest.of(b"x")))
    world.image("x", name="s.io/a:1")

    (image,) = world.mirror("s.io/a:1=s.io/b")

    assert image.bytes_copied == 0
    assert world.acts() == [f"copy {X} to s.io/b from s.io/a", "put s.io/b:1"]


def test_another_tag_in_the_same_repository_is_one_put() -> None:
    world = World()
    world.index(world.image("x"), name="s.io/a:1")

    world.mirror("s.io/a:1=s.io/a:2")

    assert kinds(world.done) == ["Resolve", "Resolve", "ReadManifest", "PutManifest"]


def test_a_repository_that_exists_is_asked_for_each_blob_first() -> None:
    world = World()
    world.there["d.io/a:1"] = world.image("x").digest
    world.blobs.add(("d.io/a", Digest.of(b"x")))
    world.image("x", "y", name="s.io/a:1")

    world.mirror("s.io/a:1=d.io/a")

    assert kinds(world.done).count("FindBlob") == 2
    assert world.acts() == [f"copy {Y} to d.io/a", "put d.io/a:1"]


def test_two_tags_with_one_digest_are_read_once_and_put_twice() -> None:
    world = World()
    world.tags["s.io/a:2"] = world.image("x", name="s.io/a:1")

    world.mirror("s.io/a=d.io/a")

    assert kinds(world.done).count("ReadManifest") == 1
    assert [act for act in world.acts() if "put" in act] == ["put d.io/a:1", "put d.io/a:2"]


def test_one_source_to_many_destinations_is_resolved_and_read_once() -> None:
    world = World()
    world.image("x", name="s.io/a:1")

    world.mirror("s.io/a:1 d.io/a e.io/a f.io/a")
    asked = [t for t in world.done if isinstance(t, ReadManifest)]
    resolved = [t for t in world.done if isinstance(t, Resolve) and t.side is Side.SOURCE]

    assert (len(asked), len(resolved)) == (1, 1)


def test_a_digest_needs_no_looking_up() -> None:
    world = World()
    digest = world.image("x").digest

    (image,) = world.mirror(f"s.io/a@{digest}=d.io/a")

    assert image.destination == f"d.io/a@{digest}"
    assert [t.side for t in world.done if isinstance(t, Resolve)] == [Side.DESTINATION]


def test_without_mounts_the_repository_is_looked_for_once() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.image("y", name="s.io/a:2")

    world.mirror("s.io/a=d.io/a", skip_mount=True)

    assert kinds(world.done).count("FindRepository") == 1
    assert kinds(world.done).count("FindBlob") == 0
    assert all(t.mount_from is None for t in world.done if isinstance(t, CopyBlob))


def test_force_asks_nothing_of_the_destination() -> None:
    world = World()
    world.there["d.io/a:1"] = world.image("x", name="s.io/a:1").digest

    (image,) = world.mirror("s.io/a:1=d.io/a", force=True)

    assert image.status is Status.COPIED
    assert kinds(world.done) == ["Resolve", "ReadManifest", "CopyBlob", "PutManifest"]


def test_force_of_a_digest_begins_by_reading_it() -> None:
    world = World()
    digest = world.image("x").digest

    world.mirror(f"s.io/a@{digest}=d.io/a", force=True)

    assert kinds(world.done) == ["ReadManifest", "CopyBlob", "PutManifest"]


def test_a_dry_run_asks_but_never_mounts_to_find_out() -> None:
    world = World()
    world.image("x", name="s.io/a:1")

    (image,) = world.mirror("s.io/a:1=d.io/a", dry_run=True)

    assert image.status is Status.PLANNED
    assert kinds(world.done).count("FindRepository") == 1
    assert world.acts()[0] == f"copy {X} to d.io/a"


def test_a_planned_image_has_moved_nothing() -> None:
    world = World()
    world.image("x", name="s.io/a:1")

    assert [i.bytes_copied for i in world.mirror("s.io/a:1=d.io/a", dry_run=True)] == [0]


def test_foreign_layers_stay_where_they_are() -> None:
    world = World()
    layer = {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        "digest": str(Digest.of(b"x")), "size": 1, "urls": ["https://e.com/x"],
    }  # fmt: skip
    world._add({"layers": [layer]}, "", "s.io/a:1")

    world.mirror("s.io/a:1=d.io/a")

    assert world.acts() == ["put d.io/a:1"]


def broken(error: MirrorError, kind: type[Task], word: str = "") -> object:
    return lambda task: error if isinstance(task, kind) and word in str(task) else None


def test_one_broken_image_does_not_stop_another() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.image("y", name="s.io/b:1")
    world.breaks = broken(NetworkError("gone"), CopyBlob, Digest.of(b"x").hex)  # type: ignore[assignment]

    images = {image.source: image.status for image in world.mirror("s.io/*=d.io/*")}

    assert images == {"s.io/a:1": Status.FAILED, "s.io/b:1": Status.COPIED}
    assert "put d.io/a:1" not in world.acts()


def test_a_failure_reaches_every_image_that_needs_what_failed() -> None:
    world = World()
    shared = world.image("x")
    world.index(shared, name="s.io/a:1")
    world.index(shared, world.image("y"), name="s.io/a:2")
    world.image("y", name="s.io/a:3")
    error = NetworkError("gone")
    world.breaks = broken(error, CopyBlob, Digest.of(b"x").hex)  # type: ignore[assignment]

    images = world.mirror("s.io/a=d.io/a")

    assert {i.source: i.error for i in images} == {
        "s.io/a:1": error, "s.io/a:2": error, "s.io/a:3": None,
    }  # fmt: skip


def test_what_one_source_did_wrong_is_no_failure_of_an_image_from_another() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.tags["r.io/b:2"] = world.index(world.image("x", "y"))
    gone = NotFound("404").at(Place(Side.SOURCE, "s.io/a", "reading the blob"))
    world.breaks = lambda task: (
        gone if isinstance(task, CopyBlob) and str(task.source) == "s.io/a" else None
    )

    images = world.mirror("s.io/a:1=d.io/x:1", "r.io/b:2=d.io/x:2")

    assert {i.source: i.status for i in images} == {
        "s.io/a:1": Status.FAILED, "r.io/b:2": Status.COPIED,
    }  # fmt: skip


def test_a_child_that_one_source_lacks_comes_from_another() -> None:
    world = World()
    child = world.image("x")
    world.tags["r.io/b:2"] = world.index(child, world.image("y"))
    world.index(child, name="s.io/a:1")
    gone = NotFound("404").at(Place(Side.SOURCE, "s.io/a", "reading the manifest"))
    world.breaks = lambda task: (
        gone
        if isinstance(task, ReadManifest)
        and str(task.repository) == "s.io/a"
        and task.digest == child.digest
        else None
    )

    images = world.mirror("s.io/a:1=d.io/x:1", "r.io/b:2=d.io/x:2")

    assert {i.source: i.status for i in images} == {
        "s.io/a:1": Status.FAILED, "r.io/b:2": Status.COPIED,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [FindBlob, FindRepository])
def test_who_may_not_look_may_still_push(kind: type[Task]) -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    if kind is FindBlob:
        world.there["d.io/a:1"] = world.image("y").digest
    world.breaks = broken(Denied("403"), kind)  # type: ignore[assignment]

    images = world.mirror("s.io/a:1=d.io/a", skip_mount=kind is FindRepository)
    assert [i.status for i in images] == [Status.COPIED]


def test_a_destination_that_does_not_show_its_tags_is_pushed_to() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.breaks = lambda task: (
        Denied("403") if isinstance(task, Resolve) and task.side is Side.DESTINATION else None
    )

    assert [i.status for i in world.mirror("s.io/a:1=d.io/a")] == [Status.COPIED]


def test_one_content_from_two_places_may_go_to_one_digest() -> None:
    world = World()
    digest = world.image("x").digest

    images = world.mirror(f"s.io/a@{digest}=d.io/x", f"s.io/b@{digest}=d.io/x")
    assert {i.status for i in images} == {Status.COPIED}


def test_what_was_seen_and_then_vanished_is_no_missing_source() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.breaks = broken(NotFound("404"), ReadManifest)  # type: ignore[assignment]

    assert [i.status for i in world.mirror("s.io/a:1=d.io/a", skip_missing=True)] == [Status.FAILED]


def test_what_only_a_failed_image_needs_is_dropped() -> None:
    world = World()
    world.image("x", "y", "z", name="s.io/a:1")
    world.breaks = broken(NetworkError("gone"), CopyBlob, Digest.of(b"x").hex)  # type: ignore[assignment]

    world.mirror("s.io/a:1=d.io/a")

    assert world.acts() == []


@pytest.mark.parametrize("kind", [Resolve, ReadManifest, CopyBlob, PutManifest])
def test_an_error_anywhere_is_one_failure_of_the_image(kind: type[Task]) -> None:
    world = World()
    world.index(world.image("x"), name="s.io/a:1")
    world.breaks = broken(NetworkError("gone"), kind)  # type: ignore[assignment]

    images = world.mirror("s.io/a:1=d.io/a")

    assert [image.status for image in images] == [Status.FAILED]


def test_an_error_while_looking_is_a_failure_too() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.there["d.io/a:1"] = world.image("y").digest
    world.breaks = broken(NetworkError("gone"), FindBlob)  # type: ignore[assignment]

    assert [i.status for i in world.mirror("s.io/a:1=d.io/a")] == [Status.FAILED]


@pytest.mark.parametrize("line", ["s.io/a:1=d.io/a", f"s.io/a@{Digest.of(b'x')}=d.io/a"])
def test_a_missing_source_is_skipped_only_if_that_was_asked_for(line: str) -> None:
    (failed,) = World().mirror(line)
    (skipped,) = World().mirror(line, skip_missing=True)

    assert (failed.status, skipped.status) == (Status.FAILED, Status.SKIPPED)


def test_a_missing_blob_is_never_skipped() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.breaks = broken(NotFound("404"), CopyBlob)  # type: ignore[assignment]

    assert [i.status for i in world.mirror("s.io/a:1=d.io/a", skip_missing=True)] == [Status.FAILED]


def test_indexes_within_indexes_end_somewhere() -> None:
    world = World()
    nested = world.image("x")
    for _ in range(10):
        nested = world.index(nested)
    world.index(nested, name="s.io/a:1")

    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert image.error is not None
    assert image.error.category == "unsupported"
    assert image.error.place == Place(Side.SOURCE, image.error.place.reference, "walking the index")  # type: ignore[union-attr]


def test_two_sources_for_one_tag_are_refused_when_a_wildcard_makes_them() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.image("y", name="s.io/b:1")

    images = world.mirror("s.io/a:1=d.io/z", "s.io/b:*=d.io/z")

    assert [i.status for i in images] == [Status.FAILED, Status.COPIED]
    assert images[0].error is not None
    assert images[0].error.category == "policy"


def test_an_image_named_twice_is_copied_once() -> None:
    world = World()
    world.image("x", name="s.io/a:1")

    assert len(world.mirror("s.io/a:1=d.io/a", "s.io/a=d.io/a")) == 1


def test_no_more_images_are_opened_than_there_is_room_for() -> None:
    lines = "\n".join(f"s.io/a:{n}=d.io/a" for n in range(100))
    planner = Planner(parse(documents=[Document("f", lines.encode())]), Options(max_per_registry=2))

    first = planner.tasks()
    assert len(first) == 2 * 8
    assert planner.tasks() == []

    planner.learn(first[0], NotFound("404"))
    assert kinds(planner.tasks()) == ["Resolve", "Resolve"]


def test_what_is_abandoned_is_told_of_as_deferred() -> None:
    lines = "\n".join([f"s.io/a:{n}=d.io/a" for n in range(20)] + ["s.io/b=d.io/b"])
    planner = Planner(parse(documents=[Document("f", lines.encode())]), Options(max_per_registry=2))
    planner.tasks()
    planner.abandon()
    told = settled(planner.events)

    assert len(told) == 21
    assert {image.status for image in told} == {Status.DEFERRED}


def test_a_tag_that_moved_while_it_was_copied_is_looked_up_once_more() -> None:
    world = World()
    old, new = world.image("x"), world.image("y")
    world.tags["s.io/a:1"] = world.index(old)

    def move(task: Task) -> MirrorError | None:
        if isinstance(task, ReadManifest) and task.digest == old.digest:
            world.tags["s.io/a:1"] = new
            return NotFound("404").at(Place(Side.SOURCE, "s.io/a", "reading the manifest"))
        return None

    world.breaks = move
    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert (image.status, image.digest) == (Status.COPIED, new.digest)
    assert world.there["d.io/a:1"] == new.digest


def test_a_tag_that_did_not_move_fails_with_what_was_missing() -> None:
    world = World()
    old = world.image("x")
    world.index(old, name="s.io/a:1")
    error = NotFound("404").at(Place(Side.SOURCE, "s.io/a", "reading the manifest"))
    world.breaks = lambda task: (
        error if isinstance(task, ReadManifest) and task.digest == old.digest else None
    )

    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert (image.status, image.error) == (Status.FAILED, error)
    assert kinds(world.done).count("Resolve") == 3


def test_what_a_registry_misses_is_looked_for_and_brought_without_a_mount() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.image("x", name="s.io/b:1")
    refused: list[Task] = []

    def refuse(task: Task) -> MirrorError | None:
        if isinstance(task, PutManifest) and "d.io/b" in str(task.destination) and not refused:
            refused.append(task)
            world.blobs.discard(("d.io/b", Digest.of(b"x")))
            return Incomplete("blob unknown")
        return None

    world.breaks = refuse
    images = world.mirror("s.io/a:1=d.io/a", "s.io/b:1=d.io/b")
    copies = [t for t in world.done if isinstance(t, CopyBlob)]

    assert {i.status for i in images} == {Status.COPIED}
    assert [str(t.mount_from) for t in copies] == ["d.io/a", "d.io/a", "None"]
    assert [t.wait for t in world.done if isinstance(t, PutManifest)] == [0, 0]


def test_a_registry_that_lags_is_waited_for_longer_each_time() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    waits: list[float] = []

    def refuse(task: Task) -> MirrorError | None:
        if isinstance(task, PutManifest):
            waits.append(task.wait)
            return Incomplete("blob unknown")
        return None

    world.breaks = refuse
    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert image.status is Status.FAILED
    assert waits == [0, 1, 2, 4, 8]


def test_children_that_a_registry_lost_are_put_again() -> None:
    world = World()
    child = world.image("x")
    world.index(child, name="s.io/a:1")
    refused: list[Task] = []

    def refuse(task: Task) -> MirrorError | None:
        if isinstance(task, PutManifest) and task.destination.tag == "1" and not refused:
            refused.append(task)
            return Incomplete("manifest unknown")
        return None

    world.breaks = refuse
    world.mirror("s.io/a:1=d.io/a")
    put = [str(t.destination) for t in world.done if isinstance(t, PutManifest)]

    assert put == [f"d.io/a@{child.digest}", f"d.io/a@{child.digest}", "d.io/a:1"]
    assert [t.wait for t in world.done if isinstance(t, PutManifest)] == [0, 0, 0]


def test_when_admission_closes_what_has_begun_goes_on_and_the_rest_is_deferred() -> None:
    world = World()
    world.image("x", "y", name="s.io/a:1")
    world.image("z", name="s.io/b:1")
    planner = Planner(parse(["s.io/a:1=d.io/a", "s.io/b:1=d.io/b", "s.io/c:*=d.io/c"]), Options())
    closed = False
    while tasks := planner.tasks():
        for task in tasks:
            if (dispatched := planner.dispatch(task)) is None:
                planner.learn(task, MirrorError("dropped"))
                continue
            if isinstance(dispatched, CopyBlob) and not closed:
                planner.close_admission()
                closed = True
            planner.learn(task, world._answer(dispatched))

    images = {i.source: i.status for i in settled(planner.events)}
    assert images["s.io/a:1"] is Status.COPIED
    assert images["s.io/b:1"] is Status.DEFERRED
    assert len(settled(planner.events)) == 3
    assert not any("d.io/b" in act for act in world.acts())


def test_the_attempts_of_an_image_are_the_most_that_anything_of_it_took() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    planner = Planner(parse(["s.io/a:1=d.io/a"]), Options())
    while tasks := planner.tasks():
        for task in tasks:
            dispatched = planner.dispatch(task)
            assert dispatched is not None
            planner.learn(task, world._answer(dispatched), 4 if isinstance(task, CopyBlob) else 2)

    assert [image.attempts for image in settled(planner.events)] == [4]


def test_a_tag_that_moved_to_what_is_there_is_unchanged_and_its_bytes_count_once() -> None:
    world = World()
    world.image("xyz", "w", name="s.io/a:1")
    new = world.image("y")
    world.there["d.io/a:1"] = new.digest

    def move(task: Task) -> MirrorError | None:
        if isinstance(task, CopyBlob) and task.blob.digest == Digest.of(b"w"):
            world.tags["s.io/a:1"] = new
            return NotFound("404").at(Place(Side.SOURCE, "s.io/a", "reading the blob"))
        return None

    world.breaks = move
    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert (image.status, image.bytes_copied) == (Status.UNCHANGED, 3)


def test_a_child_that_came_from_elsewhere_meanwhile_is_no_reason_to_wait_for_ever() -> None:
    world = World()
    child = world.image("x")
    world.tags["r.io/a:1"] = world.index(child)
    world.tags["s.io/a:1"] = world.index(child, world.image("y"))
    world.tags["t.io/a:1"] = child
    planner = Planner(
        parse(["r.io/a:1=d.io/a:r", "s.io/a:1=d.io/a:s", "t.io/a:1=d.io/a:t"]), Options()
    )
    slow: list[Task] = []
    gone = NotFound("404").at(Place(Side.SOURCE, "r.io/a", "reading the manifest"))
    while (tasks := planner.tasks()) or slow:
        for task in tasks or slow:
            if tasks and task == ReadManifest(Repository.parse("r.io/a"), child.digest):
                slow.append(task)
                continue
            dispatched = planner.dispatch(task)
            answer = world._answer(dispatched) if dispatched else MirrorError("dropped")
            planner.learn(task, gone if task in slow else answer)
        if not tasks:
            slow.clear()

    images = {i.source: i.status for i in settled(planner.events)}
    assert images["s.io/a:1"] is Status.COPIED
    assert images["t.io/a:1"] is Status.COPIED
    assert images["r.io/a:1"] is Status.FAILED
