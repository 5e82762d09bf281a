"""What is copied for what was asked, over a made-up world of registries."""

import anyio
import pytest

from mirror.effort import note_attempts
from mirror.errors import Denied, Incomplete, MirrorError, NetworkError, NotFound
from mirror.events import AdmissionClosed, Status
from mirror.image.digest import Digest
from mirror.image.platform import Platform, Selection
from mirror.image.reference import Repository
from mirror.place import Place, Side
from tests.engine.world import (
    Break,
    CopyBlob,
    FindBlob,
    FindRepository,
    ListTags,
    PutManifest,
    ReadManifest,
    Resolve,
    Task,
    World,
    kinds,
)

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
        assert str(image.destination) == str(again.destination) == f"d.io/a@{amd.digest}"


def test_an_index_whose_only_wanted_child_is_gone_is_broken_and_not_missing() -> None:
    world = World()
    amd, other = world.image("x"), world.image("y")
    index = world.index(amd, other, platforms=["linux/amd64", "linux/s390x"])
    del world.manifests[amd.digest]

    (image,) = world.mirror(f"s.io/a@{index.digest}=d.io/a:1", selection=LINUX, skip_missing=True)

    assert image.status is Status.FAILED


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

    assert str(image.destination) == f"d.io/a@{digest}"
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


def broken(error: MirrorError, kind: type[Task], word: str = "") -> Break:
    return lambda task: error if isinstance(task, kind) and word in str(task) else None


def test_one_broken_image_does_not_stop_another() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.image("y", name="s.io/b:1")
    world.breaks = broken(NetworkError("gone"), CopyBlob, Digest.of(b"x").hex)

    images = {str(image.source): image.status for image in world.mirror("s.io/*=d.io/*")}

    assert images == {"s.io/a:1": Status.FAILED, "s.io/b:1": Status.COPIED}
    assert "put d.io/a:1" not in world.acts()


def test_a_failure_reaches_every_image_that_needs_what_failed() -> None:
    world = World()
    shared = world.image("x")
    world.index(shared, name="s.io/a:1")
    world.index(shared, world.image("y"), name="s.io/a:2")
    world.image("y", name="s.io/a:3")
    error = NetworkError("gone")
    world.breaks = broken(error, CopyBlob, Digest.of(b"x").hex)

    images = world.mirror("s.io/a=d.io/a")

    assert {str(i.source): i.error for i in images} == {
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

    assert {str(i.source): i.status for i in images} == {
        "s.io/a:1": Status.FAILED, "r.io/b:2": Status.COPIED,
    }  # fmt: skip


def test_a_child_that_one_source_lacks_comes_from_another() -> None:
    world = World()
    child = world.image("x")
    world.tags["r.io/b:2"] = world.index(child, world.image("y"))
    world.index(child, name="s.io/a:1")
    gone = NotFound("404").at(Place(Side.SOURCE, "s.io/a", "reading the manifest"))
    asked = anyio.Event()

    async def let_both_wait_for_it(task: Task) -> None:
        if task == ReadManifest(Repository.parse("s.io/a"), child.digest, Side.SOURCE):
            asked.set()
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
        if isinstance(task, Resolve) and "r.io" in str(task.reference):
            await asked.wait()

    world.before = let_both_wait_for_it
    world.breaks = lambda task: (
        gone if task == ReadManifest(Repository.parse("s.io/a"), child.digest, Side.SOURCE)
        else None
    )  # fmt: skip
    images = world.mirror("s.io/a:1=d.io/x:1", "r.io/b:2=d.io/x:2")

    assert {str(i.source): i.status for i in images} == {
        "s.io/a:1": Status.FAILED, "r.io/b:2": Status.COPIED,
    }  # fmt: skip


@pytest.mark.parametrize("kind", [FindBlob, FindRepository])
def test_who_may_not_look_may_still_push(kind: type[Task]) -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    if kind is FindBlob:
        world.there["d.io/a:1"] = world.image("y").digest
    world.breaks = broken(Denied("403"), kind)

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
    world.breaks = broken(NotFound("404"), ReadManifest)

    assert [i.status for i in world.mirror("s.io/a:1=d.io/a", skip_missing=True)] == [Status.FAILED]


@pytest.mark.parametrize("kind", [Resolve, ReadManifest, CopyBlob, PutManifest])
def test_an_error_anywhere_is_one_failure_of_the_image(kind: type[Task]) -> None:
    world = World()
    world.index(world.image("x"), name="s.io/a:1")
    world.breaks = broken(NetworkError("gone"), kind)

    images = world.mirror("s.io/a:1=d.io/a")

    assert [image.status for image in images] == [Status.FAILED]


def test_an_error_while_looking_is_a_failure_too() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.there["d.io/a:1"] = world.image("y").digest
    world.breaks = broken(NetworkError("gone"), FindBlob)

    assert [i.status for i in world.mirror("s.io/a:1=d.io/a")] == [Status.FAILED]


@pytest.mark.parametrize("line", ["s.io/a:1=d.io/a", f"s.io/a@{Digest.of(b'x')}=d.io/a"])
def test_a_missing_source_is_skipped_only_if_that_was_asked_for(line: str) -> None:
    (failed,) = World().mirror(line)
    (skipped,) = World().mirror(line, skip_missing=True)

    assert (failed.status, skipped.status) == (Status.FAILED, Status.SKIPPED)


def test_a_missing_blob_is_never_skipped() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.breaks = broken(NotFound("404"), CopyBlob)

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
    assert world.slept == []


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
    assert world.slept == []


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


def test_both_sides_are_asked_before_either_answers() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    asked, both = list[Side](), anyio.Event()

    async def wait_for_the_other(task: Task) -> None:
        if isinstance(task, Resolve):
            asked.append(task.side)
            if len(asked) == 2:
                both.set()
            await both.wait()

    world.before = wait_for_the_other
    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert image.status is Status.COPIED
    assert set(asked) == {Side.SOURCE, Side.DESTINATION}


def test_a_dry_run_asks_but_never_mounts_to_find_out() -> None:
    world = World()
    world.image("x", name="s.io/a:1")

    (image,) = world.mirror("s.io/a:1=d.io/a", dry_run=True)

    assert image.status is Status.PLANNED
    assert kinds(world.done).count("FindRepository") == 1
    assert world.acts() == []
    there = world.plan.at("d.io")
    assert (there.blobs_copied, there.blobs_mounted, there.manifests) == (1, 0, 1)


def test_what_only_a_failed_image_needs_is_dropped() -> None:
    world = World()
    world.image("x", "y", "z", name="s.io/a:1")

    async def hold(task: Task) -> None:
        if isinstance(task, CopyBlob) and task.blob.digest != Digest.of(b"x"):
            await anyio.sleep_forever()

    world.before = hold
    world.breaks = broken(NetworkError("gone"), CopyBlob, Digest.of(b"x").hex)

    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert image.status is Status.FAILED
    assert world.acts() == []


def test_what_another_image_needs_too_is_not_dropped_with_a_failed_one() -> None:
    world = World()
    world.image("x", "y", name="s.io/a:1")
    world.image("y", name="s.io/a:2")
    failed = anyio.Event()

    async def hold(task: Task) -> None:
        if isinstance(task, CopyBlob) and task.blob.digest == Digest.of(b"y"):
            await failed.wait()

    def fail(task: Task) -> MirrorError | None:
        if isinstance(task, CopyBlob) and task.blob.digest == Digest.of(b"x"):
            failed.set()
            return NetworkError("gone")
        return None

    world.before, world.breaks = hold, fail
    images = {str(image.source): image.status for image in world.mirror("s.io/a=d.io/a")}

    assert images == {"s.io/a:1": Status.FAILED, "s.io/a:2": Status.COPIED}
    assert len([act for act in world.acts() if Y in act]) == 1


def test_a_registry_that_lags_is_waited_for_longer_each_time() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.breaks = broken(Incomplete("blob unknown"), PutManifest)

    (image,) = world.mirror("s.io/a:1=d.io/a")

    assert image.status is Status.FAILED
    assert image.attempts == 5
    assert world.slept == [1, 2, 4, 8]


def test_at_a_deadline_what_has_begun_goes_on_and_the_rest_is_deferred() -> None:
    world = World()
    world.image("x", "y", name="s.io/a:1")
    world.image("z", name="s.io/b:1")
    closed = anyio.Event()

    async def close(task: Task) -> None:
        if isinstance(task, Resolve) and "/b:" in str(task.reference):
            await closed.wait()
        if isinstance(task, ListTags):
            await anyio.sleep_forever()
        if isinstance(task, CopyBlob) and not closed.is_set():
            world.deadline()
            closed.set()

    world.before = close
    settled = world.mirror("s.io/a:1=d.io/a", "s.io/b:1=d.io/b", "s.io/c:*=d.io/c")

    assert {str(image.source): image.status for image in settled} == {
        "s.io/a:1": Status.COPIED, "s.io/b:1": Status.DEFERRED, "s.io/c:*": Status.DEFERRED,
    }  # fmt: skip
    (told,) = (event for event in world.events if isinstance(event, AdmissionClosed))
    assert told.deferred == 2
    assert not any("d.io/b" in act for act in world.acts())


def test_the_attempts_of_an_image_are_the_most_that_anything_of_it_took() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.image("x", "y", name="s.io/a:2")

    async def try_hard(task: Task) -> None:
        if isinstance(task, CopyBlob) and task.blob.digest == Digest.of(b"x"):
            note_attempts(4)
        if isinstance(task, Resolve):
            note_attempts(2)

    world.before = try_hard
    images = world.mirror("s.io/a=d.io/a")

    assert [image.attempts for image in images] == [4, 4]


def test_an_image_from_elsewhere_does_not_wait_for_what_one_source_lacks() -> None:
    world = World()
    child = world.image("x")
    world.tags["r.io/a:1"] = world.index(child)
    world.tags["s.io/a:1"] = world.index(child, world.image("y"))
    world.tags["t.io/a:1"] = child
    brought = anyio.Event()

    async def hold(task: Task) -> None:
        if task == ReadManifest(Repository.parse("r.io/a"), child.digest, Side.SOURCE):
            await brought.wait()
        if isinstance(task, PutManifest) and task.destination.tag == "t":
            brought.set()

    world.before = hold
    gone = NotFound("404").at(Place(Side.SOURCE, "r.io/a", "reading the manifest"))
    world.breaks = lambda task: (
        gone if isinstance(task, ReadManifest) and str(task.repository) == "r.io/a"
        and task.digest == child.digest else None
    )  # fmt: skip

    settled = world.mirror("r.io/a:1=d.io/a:r", "s.io/a:1=d.io/a:s", "t.io/a:1=d.io/a:t")

    images = {str(image.source): image.status for image in settled}
    assert images["s.io/a:1"] is Status.COPIED
    assert images["t.io/a:1"] is Status.COPIED
