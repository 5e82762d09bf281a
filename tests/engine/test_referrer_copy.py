"""What refers to images: found at the source, brought before the tag, written by one."""

import json

import pytest

from mirror.errors import Denied, MirrorError, NetworkError, NotFound
from mirror.events import Status
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, Manifest
from mirror.image.referrers_index import fallback_tag
from mirror.place import Place, Side
from tests.engine.world import (
    ListReferrers,
    ListTags,
    MergeReferrers,
    PutManifest,
    ReadManifest,
    Resolve,
    Task,
    World,
    descriptor,
    kinds,
)

S = Digest.of(b"s").short
LINE = "s.io/a:1=d.io/a"


def copied(name: str) -> str:
    return f"copy {Digest.of(name.encode()).short} to d.io/a from d.io/a"


def by_digest(manifest: Manifest) -> str:
    return f"put d.io/a@{manifest.digest}"


def tag_list(world: World, subject: Manifest, *referrers: Manifest) -> Manifest:
    """Keep a source's list of referrers behind the tag that stands for it."""
    tag = fallback_tag(subject.digest)
    return world.index(*referrers, name=f"s.io/a:{tag}")


def test_what_refers_to_an_image_comes_after_it_and_before_its_tag() -> None:
    world = World()
    image, signature = world.image("x", name="s.io/a:1"), world.image("s")
    world.lists["s.io/a"][image.digest] = [signature]

    (settled,) = world.mirror(LINE, referrers=True)

    assert settled.status is Status.COPIED
    assert settled.bytes_copied == 2
    assert world.acts() == [
        copied("x"), by_digest(image), copied("s"), by_digest(signature), "put d.io/a:1",
    ]  # fmt: skip


def test_without_being_asked_for_nothing_is_asked() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    world.lists["s.io/a"][image.digest] = [world.image("s")]

    world.mirror(LINE)

    assert not [task for task in world.done if isinstance(task, ListReferrers | ListTags)]
    assert world.acts() == [copied("x"), "put d.io/a:1"]


def test_an_image_to_which_nothing_refers_is_put_once() -> None:
    world = World()
    world.image("x", name="s.io/a:1")

    world.mirror(LINE, referrers=True)

    assert world.acts() == [copied("x"), "put d.io/a:1"]


def test_what_refers_to_children_and_to_referrers_comes_too() -> None:
    world = World()
    child, signature, countersignature = (world.image(name) for name in "xst")
    world.index(child, name="s.io/a:1")
    world.lists["s.io/a"] = {child.digest: [signature], signature.digest: [countersignature]}

    world.mirror(LINE, referrers=True)

    acts = world.acts()
    assert by_digest(signature) in acts
    assert by_digest(countersignature) in acts
    assert acts[-1] == "put d.io/a:1"


def test_a_registry_that_keeps_no_lists_gets_a_merged_one() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    old, new = world.image("s"), world.image("t")
    world.lists["s.io/a"][image.digest] = [old, new]
    del world.lists["d.io/a"]
    own = world.image("own")
    tag = f"d.io/a:{fallback_tag(image.digest)}"
    world.merged[tag] = [own.digest, old.digest]

    world.mirror(LINE, referrers=True)

    assert world.merged[tag] == [own.digest, old.digest, new.digest]
    listed = f"list {new.digest.short} of {image.digest.short} in d.io/a"
    assert world.acts()[-2:] == [listed, "put d.io/a:1"]
    assert by_digest(old) not in world.acts()


def test_a_list_behind_a_tag_becomes_a_list_of_the_registry() -> None:
    world = World()
    image, signature = world.image("x", name="s.io/a:1"), world.image("s")
    del world.lists["s.io/a"]
    tag_list(world, image, signature)

    world.mirror(LINE, referrers=True)

    assert by_digest(signature) in world.acts()
    assert not world.merged
    assert world.acts()[-1] == "put d.io/a:1"


@pytest.mark.parametrize("ending", [".sig", ".att", ".sbom"])
def test_tags_of_cosign_come_before_the_tag(ending: str) -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    tag = fallback_tag(image.digest) + ending
    signature = world.image("s", name=f"s.io/a:{tag}")

    world.mirror(LINE, referrers=True)
    (again,) = world.mirror(LINE, referrers=True)

    assert world.there[f"d.io/a:{tag}"] == signature.digest
    assert world.acts()[-2:] == [f"put d.io/a:{tag}", "put d.io/a:1"]
    assert again.status is Status.UNCHANGED


def test_a_signature_that_came_later_is_brought_to_an_image_that_is_there() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    world.mirror(LINE, referrers=True)
    world.done.clear()
    signature = world.image("s")
    world.lists["s.io/a"][image.digest] = [signature]

    (later,) = world.mirror(LINE, referrers=True)
    world.lists["d.io/a"][image.digest] = [signature]
    (again,) = world.mirror(LINE, referrers=True)

    assert (later.status, later.bytes_copied) == (Status.COPIED, 1)
    assert world.acts() == [f"copy {S} to d.io/a", by_digest(signature)]
    assert again.status is Status.UNCHANGED


def test_an_unchanged_image_costs_its_lists_and_no_more() -> None:
    world = World()
    world.image("x", name="s.io/a:1")
    world.mirror(LINE, referrers=True)
    world.done.clear()

    world.mirror(LINE, referrers=True)

    assert kinds(world.done) == ["Resolve", "Resolve", "ListTags", "ListReferrers"]


def test_the_tags_of_a_repository_are_listed_once() -> None:
    world = World()
    for number in range(3):
        world.image(f"x{number}", name=f"s.io/a:{number}")

    world.mirror("s.io/a=d.io/a", referrers=True)

    assert kinds(world.done).count("ListTags") == 1


def test_what_refers_in_a_circle_ends() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    one, other = world.image("s"), world.image("t")
    world.lists["s.io/a"] = {
        image.digest: [one], one.digest: [other, image], other.digest: [one, image],
    }  # fmt: skip

    (settled,) = world.mirror(LINE, referrers=True)

    assert settled.status is Status.COPIED
    assert [world.acts().count(by_digest(here)) for here in (image, one, other)] == [1, 1, 1]


def test_who_may_not_list_tags_has_each_tried_that_there_could_be() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    tag = fallback_tag(image.digest) + ".sig"
    world.image("s", name=f"s.io/a:{tag}")

    def refuse(task: Task) -> MirrorError | None:
        return Denied("403") if isinstance(task, ListTags) else None

    world.breaks = refuse
    (settled,) = world.mirror(LINE, referrers=True)

    assert settled.status is Status.COPIED
    assert f"put d.io/a:{tag}" in world.acts()


@pytest.mark.parametrize("kind", [ListTags, ListReferrers, Resolve, ReadManifest])
def test_what_cannot_be_told_fails_the_image_and_no_tag_is_put(kind: type[Task]) -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    tag = fallback_tag(image.digest) + ".sig"
    signature = world.image("s", name=f"s.io/a:{tag}")

    def fail(task: Task) -> MirrorError | None:
        about = str(getattr(task, "reference", "")), getattr(task, "digest", None)
        if isinstance(task, ListTags | ListReferrers) or about[0].endswith(tag):
            hit = isinstance(task, kind)
        else:
            hit = isinstance(task, kind) and about[1] == signature.digest
        return NetworkError("reset").at(Place(Side.SOURCE, "s.io/a", "x")) if hit else None

    world.breaks = fail
    (settled,) = world.mirror(LINE, referrers=True)

    assert settled.status is Status.FAILED
    assert "put d.io/a:1" not in world.acts()


def test_a_referrer_that_cannot_be_put_keeps_the_tag_from_being_put() -> None:
    world = World()
    image, signature = world.image("x", name="s.io/a:1"), world.image("s")
    world.lists["s.io/a"][image.digest] = [signature]

    def fail(task: Task) -> MirrorError | None:
        bad = isinstance(task, PutManifest) and task.manifest == signature
        return Denied("no").at(Place(Side.DESTINATION, "d.io/a", "pushing")) if bad else None

    world.breaks = fail
    (settled,) = world.mirror(LINE, referrers=True)

    assert settled.status is Status.FAILED
    assert "put d.io/a:1" not in world.acts()


def test_an_image_without_referrers_fails_where_they_are_required() -> None:
    world = World()
    world.image("x", name="s.io/a:1")

    (settled,) = world.mirror(LINE, referrers=True, require_referrers=True)

    assert settled.status is Status.FAILED
    assert settled.error is not None
    assert settled.error.category == "policy"
    assert world.acts() == []


def test_an_unsigned_image_that_is_there_fails_too_and_signatures_need_none() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    world.image("s", name=f"s.io/a:{fallback_tag(image.digest)}.sig")
    world.image("y", name="s.io/a:2")
    world.mirror("s.io/a=d.io/a")

    settled = world.mirror("s.io/a=d.io/a", referrers=True, require_referrers=True)

    failed = [str(one.source) for one in settled if one.status is Status.FAILED]
    assert failed == ["s.io/a:2"]


def test_a_list_that_is_copied_as_a_tag_is_merged_and_never_put_over_another() -> None:
    world = World()
    image, signature, own = world.image("x", name="s.io/a:1"), world.image("s"), world.image("o")
    del world.lists["s.io/a"], world.lists["d.io/a"]
    tag = fallback_tag(image.digest)
    tag_list(world, image, signature)
    world.merged[f"d.io/a:{tag}"] = [own.digest]
    world.there[f"d.io/a:{tag}"] = world.index(own).digest

    world.mirror("s.io/a=d.io/a", referrers=True)

    assert world.merged[f"d.io/a:{tag}"] == [own.digest, signature.digest]
    assert f"put d.io/a:{tag}" not in world.acts()


def test_two_images_that_share_a_child_write_its_list_one_after_the_other() -> None:
    world = World()
    child, one, two = world.image("x"), world.image("s"), world.image("t")
    document = {
        "manifests": [descriptor(child.content, child.media_type)],
        "annotations": {"a": "b"},
    }
    other = Manifest.parse(json.dumps(document).encode(), OCI_INDEX)
    world.manifests[other.digest] = other
    world.index(child, name="s.io/a:1")
    world.tags["s.io/a:2"] = other
    world.lists["s.io/a"][child.digest] = [one, two]
    del world.lists["d.io/a"]

    settled = world.mirror("s.io/a:1=d.io/a", "s.io/a:2=d.io/a", referrers=True)

    assert [image.status for image in settled] == [Status.COPIED, Status.COPIED]
    assert world.merged[f"d.io/a:{fallback_tag(child.digest)}"] == [one.digest, two.digest]


def test_a_second_tag_waits_for_the_list_that_the_first_one_writes() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    world.tags["s.io/a:2"] = image
    world.lists["s.io/a"][image.digest] = [world.image("s")]
    del world.lists["d.io/a"]

    def refuse(task: Task) -> MirrorError | None:
        return Denied("403") if isinstance(task, MergeReferrers) else None

    world.breaks = refuse
    settled = world.mirror("s.io/a:1=d.io/a", "s.io/a:2=d.io/a", referrers=True)

    assert [one.status for one in settled] == [Status.FAILED, Status.FAILED]
    assert not {"put d.io/a:1", "put d.io/a:2"} & set(world.acts())


def test_a_missing_referrer_is_no_missing_source() -> None:
    world = World()
    image, gone = world.image("x", name="s.io/a:1"), world.image("s")
    world.lists["s.io/a"][image.digest] = [gone]
    del world.manifests[gone.digest]

    (settled,) = world.mirror(f"s.io/a@{image.digest}=d.io/a:1", referrers=True, skip_missing=True)

    assert settled.status is Status.FAILED


def test_another_name_of_an_index_is_no_list_of_what_refers_to_it() -> None:
    world = World()
    index = world.index(world.image("x"), name="s.io/a:1")
    tag = fallback_tag(index.digest)
    world.tags[f"s.io/a:{tag}"] = index
    world.lists["s.io/a"][index.digest] = [world.image("s")]

    world.mirror("s.io/a=d.io/a", referrers=True)

    assert world.there[f"d.io/a:{tag}"] == index.digest
    assert not world.merged


def test_an_image_behind_a_lists_tag_is_not_put_over_a_list() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    tag = fallback_tag(image.digest)
    world.image("alone", name=f"s.io/a:{tag}")
    del world.lists["s.io/a"]
    world.alone[image.digest] = world.tags[f"s.io/a:{tag}"]
    world.there[f"d.io/a:{tag}"] = world.index(world.image("o")).digest

    (settled,) = world.mirror(LINE, referrers=True)

    assert settled.status is Status.FAILED
    assert settled.error is not None
    assert settled.error.category == "policy"
    assert f"put d.io/a:{tag}" not in world.acts()


def test_a_copy_within_a_repository_leaves_its_referrers_where_they_are() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    world.lists["s.io/a"][image.digest] = [world.image("s")]

    world.mirror("s.io/a:1=s.io/a:2", referrers=True)

    assert world.acts() == ["put s.io/a:2"]


def test_a_tag_that_vanished_since_the_tags_were_listed_is_no_failure() -> None:
    world = World()
    image = world.image("x", name="s.io/a:1")
    tag = fallback_tag(image.digest) + ".sig"
    world.image("s", name=f"s.io/a:{tag}")

    def vanish(task: Task) -> MirrorError | None:
        gone = isinstance(task, Resolve) and str(task.reference) == f"s.io/a:{tag}"
        return NotFound("404") if gone else None

    world.breaks = vanish
    (settled,) = world.mirror(LINE, referrers=True)

    assert settled.status is Status.COPIED
