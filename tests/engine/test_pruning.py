"""What is deleted at a destination, and above all what is not."""

from dataclasses import replace

import anyio
import pytest

from mirror.engine.pair_processing import CopyProcessing
from mirror.engine.run_state import Run
from mirror.errors import Denied, MirrorError, NetworkError, NotFound
from mirror.events import PruneSettled, Status
from mirror.image.digest import Digest
from mirror.image.platform import Platform, Selection
from mirror.image.reference import Repository
from mirror.mapping.grammar import Document, Mappings, Origin
from mirror.mapping.rule_options import Prune, RuleOptions
from mirror.mapping.tag_filter import Pattern, Pin, TagFilter
from mirror.options import Options
from mirror.place import Side
from tests.engine.world import (
    DeleteManifest,
    ListCatalog,
    ListReferrers,
    ListTags,
    ReadManifest,
    Resolve,
    Task,
    World,
)

ALL = RuleOptions(name="all", prune=Prune(max_percent=100))
TAGS = tuple(str(number) for number in range(10))


def synced(*names: str, tags: tuple[str, ...] = TAGS, line: str = "s.io/a=d.io/a") -> World:
    """A world in which all is at its destination, and then left its source but for the tags."""
    world = World()
    for name in names or ("a",):
        for tag in TAGS:
            world.image(f"{name}{tag}", name=f"s.io/{name}:{tag}")
    world.mirror(line)
    world.tags = {name: it for name, it in world.tags.items() if name.rpartition(":")[2] in tags}
    world.done.clear()
    return world


def names(world: World) -> set[str]:
    return {name.rpartition(":")[2] for name in world.there}


def deletions(world: World) -> list[str]:
    return [said for said in world.acts() if said.startswith("delete")]


def test_what_has_left_its_source_is_deleted() -> None:
    world = synced(tags=TAGS[1:])

    images = world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert {image.status for image in images} == {Status.UNCHANGED}
    assert world.pruned() == [("d.io/a:0", "pruned")]
    assert names(world) == set(TAGS[1:])


def test_without_being_asked_for_nothing_is_deleted() -> None:
    world = synced(tags=TAGS[1:])
    world.mirror("s.io/a=d.io/a", rule_options=replace(ALL, prune=None))

    assert world.pruned() == []
    listed = [task for task in world.done if isinstance(task, ListTags)]
    assert [str(task.repository) for task in listed] == ["s.io/a"]
    assert names(world) == set(TAGS)


def test_a_dry_run_says_what_would_go_and_deletes_nothing() -> None:
    world = synced(tags=TAGS[1:])
    world.mirror("s.io/a=d.io/a", rule_options=ALL, dry_run=True)

    assert world.pruned() == [("d.io/a:0", "planned")]


def test_deleting_comes_after_everything_else() -> None:
    world = synced(tags=TAGS[1:])
    world.image("new", name="s.io/a:new")
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.acts()[-1] == "delete d.io/a:0"
    assert "put d.io/a:new" in world.acts()


@pytest.mark.parametrize(("left", "outcome"), [(9, "pruned"), (8, "refused")])
def test_more_than_the_limit_is_refused(left: int, outcome: str) -> None:
    world = synced(tags=TAGS[-left:])
    world.mirror("s.io/a=d.io/a", rule_options=replace(ALL, prune=Prune(max_percent=10)))

    ((_, said),) = world.pruned()
    assert said == outcome
    assert len(names(world)) == (left if outcome == "pruned" else len(TAGS))


def test_the_limit_is_of_all_that_a_mapping_covers() -> None:
    world = synced("x/a", "x/b", line="s.io/x/*=d.io/m/*")
    del world.tags["s.io/x/a:0"], world.tags["s.io/x/a:1"]
    world.mirror("s.io/x/*=d.io/m/*", rule_options=replace(ALL, prune=Prune(max_percent=10)))

    assert {place for place, _ in world.pruned()} == {"d.io/m/a:0", "d.io/m/a:1"}


def test_a_refusal_says_how_much_it_would_have_been_and_what_to_do() -> None:
    world = synced(tags=TAGS[5:])
    world.mirror("s.io/a=d.io/a", rule_options=replace(ALL, prune=Prune(max_percent=10)))
    (refused,) = (event for event in world.events if isinstance(event, PruneSettled))

    assert refused.error is not None
    assert "5 of 10 tags would be deleted, more than 10 %: d.io/a:0, d.io/a:1" in str(refused.error)
    assert refused.destination == "all"
    assert "raise max-percent" in refused.error.hint


@pytest.mark.parametrize("error", [Denied("401"), NetworkError("gone")])
def test_nothing_is_deleted_where_the_source_was_not_listed(error: MirrorError) -> None:
    world = synced("x/a", "x/b", line="s.io/x/*=d.io/m/*")
    del world.tags["s.io/x/a:0"], world.tags["s.io/x/b:0"]
    world.breaks = lambda task: _broken(task, "s.io/x/a", error)
    world.mirror("s.io/x/*=d.io/m/*", rule_options=ALL)

    assert world.pruned() == [("d.io/m/b:0", "pruned")]


def test_nothing_is_deleted_where_another_mapping_could_not_be_listed() -> None:
    world = synced(tags=TAGS[5:])
    world.image("other", name="s.io/b:0")
    world.breaks = lambda task: _broken(task, "s.io/b", Denied("401"))
    world.mirror("s.io/a=d.io/a", "s.io/b=d.io/a", rule_options=ALL)

    assert {said for _, said in world.pruned()} == {"refused"}
    assert names(world) == set(TAGS)


def test_nothing_is_deleted_if_the_catalog_fails() -> None:
    world = synced("x/a", line="s.io/x/*=d.io/m/*", tags=TAGS[1:])
    world.page = 1
    world.image("b", name="s.io/x/b:0")
    world.breaks = lambda task: (
        NetworkError("gone") if isinstance(task, ListCatalog) and task.page else None
    )
    (*_, failed) = world.mirror("s.io/x/*=d.io/m/*", rule_options=ALL)

    assert failed.source != "s.io/x/b:0"
    assert world.pruned() == [("d.io/m/a", "refused")]


@pytest.mark.parametrize("tags", [(), ("other",)])
@pytest.mark.parametrize(("may_be_empty", "said"), [(True, "kept"), (False, "refused")])
def test_nothing_is_deleted_if_the_source_lists_nothing_any_more(
    tags: tuple[str, ...], may_be_empty: bool, said: str
) -> None:
    world = synced(tags=())
    for tag in tags:
        world.image(tag, name=f"s.io/a:{tag}")
    covered = TagFilter(exclude=(Pattern.parse("other"),))
    world.mirror(
        "s.io/a=d.io/a", rule_options=replace(ALL, tag_filter=covered, allow_empty=may_be_empty)
    )

    assert world.pruned() == [("d.io/a", said)]
    assert names(world) == set(TAGS)


def test_nothing_is_deleted_where_something_failed() -> None:
    world = synced(tags=TAGS[1:])
    world.image("new", name="s.io/a:new")
    world.breaks = lambda task: (
        Denied("403") if isinstance(task, Resolve) and task.reference.tag == "new" else None
    )
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a", "refused")]


def test_only_what_the_mapping_covers_is_deleted() -> None:
    world = synced(tags=TAGS[5:])
    tag_filter = TagFilter(include=tuple(map(Pattern.parse, ("0", "7", "8"))))
    world.mirror("s.io/a=d.io/a", rule_options=replace(ALL, tag_filter=tag_filter))

    assert world.pruned() == [("d.io/a:0", "pruned")]


def test_a_tag_that_is_not_among_the_newest_any_more_stays() -> None:
    world = synced()
    world.mirror("s.io/a=d.io/a", rule_options=replace(ALL, tag_filter=TagFilter(newest=2)))

    assert world.pruned() == []


def test_a_pinned_tag_stays_though_its_source_has_it_no_more() -> None:
    world = synced(tags=TAGS[1:])
    pin = Pin("0", world.there["d.io/a:0"])
    world.mirror("s.io/a=d.io/a", rule_options=replace(ALL, tag_filter=TagFilter(
        pins=(pin,), include=(Pattern.parse("*"),))))  # fmt: skip

    assert world.pruned() == []


def test_what_another_source_brings_stays() -> None:
    world = synced()
    world.image("x", name="s.io/b:0")
    world.mirror("s.io/b=d.io/a", rule_options=replace(ALL, name="b"))

    assert {place for place, said in world.pruned()} == {f"d.io/a:{tag}" for tag in TAGS[1:]}
    world = synced(tags=TAGS[1:])
    world.image("a0", name="s.io/b:0")
    world.image("c", name="s.io/c:1")
    lines = "s.io/a=d.io/a", "s.io/b=d.io/a", "s.io/c:1=d.io/a:x"
    world.mirror(*lines)
    world.mirror(*lines, rule_options=ALL)
    assert world.pruned() == []
    assert "x" in names(world)


def test_tags_that_stand_for_signatures_stay() -> None:
    world = synced()
    tag = f"sha256-{'0' * 64}.sig"
    world.there[f"d.io/a:{tag}"] = Digest.of(b"s")
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == []


def test_a_destination_that_is_not_there_has_nothing_to_delete() -> None:
    world = synced()
    world.there.clear()
    world.mirror("s.io/a=d.io/a", rule_options=ALL, dry_run=True)

    assert world.pruned() == []


def test_a_destination_that_lists_nothing_is_told_of() -> None:
    world = synced(tags=TAGS[1:])
    world.breaks = lambda task: _broken(task, "d.io/a", Denied("403"))
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a", "failed")]


def test_a_tag_that_cannot_be_deleted_stops_no_other() -> None:
    world = synced(tags=TAGS[2:])
    world.breaks = lambda task: (
        Denied("403") if isinstance(task, DeleteManifest) and task.reference.tag == "0" else None
    )
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert sorted(world.pruned()) == [("d.io/a:0", "failed"), ("d.io/a:1", "pruned")]


def test_who_deletes_digests_only_is_asked_for_that() -> None:
    world = synced(tags=TAGS[1:])
    world.by_digest = True
    digest = world.there["d.io/a:0"]
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert deletions(world) == ["delete d.io/a:0", f"delete d.io/a@{digest}"]
    assert world.pruned() == [("d.io/a:0", "pruned")]
    assert names(world) == set(TAGS[1:])


def test_a_digest_that_another_tag_names_stays() -> None:
    world = synced()
    world.by_digest = True
    world.tags["s.io/a:1"] = world.tags["s.io/a:0"]
    del world.tags["s.io/a:0"]
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]
    (kept,) = (event for event in world.events if isinstance(event, PruneSettled))
    assert "the tag 1 uses this one" in str(kept.error)
    assert "d.io/a:0" in world.there


def test_a_digest_that_an_index_lists_stays() -> None:
    world = synced()
    world.by_digest = True
    child = world.tags.pop("s.io/a:0")
    world.index(world.index(child), name="s.io/a:all")
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]


def test_a_digest_that_something_refers_to_stays() -> None:
    world = synced(tags=TAGS[1:])
    world.by_digest = True
    world.lists["d.io/a"] = {world.there["d.io/a:0"]: [world.image("signature")]}
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]


def test_a_digest_that_a_signature_is_about_stays() -> None:
    world = synced(tags=TAGS[1:])
    world.by_digest = True
    digest = world.there["d.io/a:0"]
    world.there[f"d.io/a:sha256-{digest.hex}.sig"] = world.image("signature").digest
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]


def test_a_digest_that_a_mapping_wants_for_itself_stays() -> None:
    world = synced(tags=TAGS[1:])
    world.by_digest = True
    digest = world.there["d.io/a:0"]
    world.there[f"d.io/a@{digest}"] = digest
    world.mirror("s.io/a=d.io/a", f"s.io/a@{digest}=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]


def test_two_tags_of_one_digest_that_both_have_left_go_together() -> None:
    world = synced()
    world.by_digest = True
    world.there["d.io/a:1"] = world.there["d.io/a:0"]
    del world.tags["s.io/a:0"], world.tags["s.io/a:1"]
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert sorted(world.pruned()) == [("d.io/a:0", "pruned"), ("d.io/a:1", "pruned")]
    assert names(world) == set(TAGS[2:])


def test_a_child_of_an_index_that_has_left_too_goes_a_night_later() -> None:
    world = synced()
    world.by_digest = True
    child = world.tags["s.io/a:0"]
    index = world.index(child, name="s.io/a:all")
    world.mirror("s.io/a=d.io/a")
    del world.tags["s.io/a:0"], world.tags["s.io/a:all"]
    world.lists["d.io/a"] = {index.digest: [world.image("signature")]}
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert sorted(world.pruned()) == [("d.io/a:0", "kept"), ("d.io/a:all", "kept")]


@pytest.mark.parametrize("kind", [ReadManifest, ListReferrers])
def test_a_digest_of_which_not_all_is_known_stays(kind: type[Task]) -> None:
    world = synced(tags=TAGS[1:])
    world.by_digest = True
    world.breaks = lambda task: (
        Denied("403") if isinstance(task, kind) and "d.io" in str(task) else None
    )
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "failed")]
    assert "d.io/a:0" in world.there


def test_a_refused_repository_does_not_raise_the_limit_of_another() -> None:
    world = synced("x/a", "x/b", line="s.io/x/*=d.io/m/*")
    for tag in TAGS[:6]:
        del world.tags[f"s.io/x/a:{tag}"]
    world.tags = {name: it for name, it in world.tags.items() if "x/b" not in name}
    world.image("b", name="s.io/x/b:new")
    world.breaks = lambda task: (
        Denied("403") if isinstance(task, Resolve) and task.reference.tag == "new" else None
    )
    world.mirror("s.io/x/*=d.io/m/*", rule_options=replace(ALL, prune=Prune(max_percent=50)))

    assert {said for _, said in world.pruned()} == {"refused"}


def test_a_digest_whose_users_cannot_be_asked_for_stays() -> None:
    world = synced(tags=TAGS[1:])
    world.by_digest = True
    deleting: list[Task] = []

    def breaks(task: Task) -> MirrorError | None:
        if isinstance(task, DeleteManifest):
            deleting.append(task)
        looks = isinstance(task, Resolve) and task.reference.tag == "5"
        return NetworkError("gone") if deleting and looks else None

    world.breaks = breaks
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "failed")]
    assert "d.io/a:0" in world.there


def _broken(task: Task, repository: str, error: MirrorError) -> MirrorError | None:
    broken = isinstance(task, ListTags) and str(task.repository) == repository
    return error if broken else None


def test_children_of_what_a_mapping_wants_by_digest_stay() -> None:
    world = synced()
    world.by_digest = True
    child = world.tags.pop("s.io/a:0")
    index = world.index(world.index(child))
    line = f"s.io/a@{index.digest}=d.io/a"
    world.mirror("s.io/a=d.io/a", line)
    world.mirror("s.io/a=d.io/a", line, rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]


def test_what_is_left_of_an_index_wanted_by_digest_stays() -> None:
    world = synced()
    world.by_digest = True
    child = world.tags.pop("s.io/a:0")
    index = world.index(child, world.image("other"), platforms=("linux/amd64", "linux/arm64"))
    chosen = replace(ALL, selection=Selection((Platform.parse("linux/amd64"),)))
    line = f"s.io/a@{index.digest}=d.io/a"
    world.mirror(line, rule_options=replace(chosen, prune=None))
    world.mirror("s.io/a=d.io/a", line, rule_options=chosen)

    assert world.pruned() == [("d.io/a:0", "kept")]


def test_a_digest_that_refers_to_something_stays() -> None:
    world = synced(tags=TAGS[1:])
    world.by_digest = True
    signature = world.referrer(world.tags["s.io/a:1"])
    world.there["d.io/a:0"] = signature.digest
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]


@pytest.mark.parametrize("which", ["s.io/a", "s.io/b"])
def test_nothing_is_deleted_where_one_of_two_sources_lists_nothing(which: str) -> None:
    world = synced(tags=TAGS[5:])
    world.image("b", name="s.io/b:b")
    world.mirror("s.io/b=d.io/a")
    world.tags = {name: it for name, it in world.tags.items() if not name.startswith(which)}
    world.mirror("s.io/a=d.io/a", "s.io/b=d.io/a", rule_options=replace(ALL, allow_empty=True))

    assert names(world) == {*TAGS, "b"}
    assert {outcome for _, outcome in world.pruned()} == {"kept"}


def test_nothing_is_deleted_where_a_catalog_might_lead_that_lacks_the_repository() -> None:
    world = synced("x/a", line="s.io/x/*=d.io/m/*")
    world.tags = {"s.io/x/b:0": world.tags["s.io/x/a:0"], "s.io/y:1": world.tags["s.io/x/a:1"]}
    world.mirror("s.io/x/*=d.io/m/*", rule_options=replace(ALL, prune=None))
    world.mirror("s.io/x/*=d.io/m/*", "s.io/y=d.io/m/a", rule_options=ALL)

    assert ("d.io/m/a", "refused") in world.pruned()
    assert names(world) >= set(TAGS)


def test_a_repository_whose_tags_are_gone_from_a_catalog_loses_nothing() -> None:
    world = synced("x/a", "x/b", line="s.io/x/*=d.io/m/*")
    world.breaks = lambda task: _broken(task, "s.io/x/a", NotFound("404"))
    world.mirror("s.io/x/*=d.io/m/*", rule_options=ALL)

    assert world.pruned() == [("d.io/m/a", "refused")]


def test_two_rules_on_one_line_have_each_its_own_limit() -> None:
    world = synced(tags=TAGS[4:])
    mappings = Mappings()
    for tag_filter, percent in (("[0-1]", 100.0), ("[2-9]", 1.0)):
        mappings.add(
            "s.io/a", "d.io/a", Origin("f", 1),
            replace(ALL, prune=Prune(max_percent=percent),
                    tag_filter=TagFilter(include=(Pattern.parse(tag_filter),))),
        )  # fmt: skip
    world.carry_out(mappings.rules, Options())

    outcomes = {name: said for name, said in world.pruned() if said == "pruned"}
    assert "refused" in {said for _, said in world.pruned()}
    assert outcomes == {}, "the first pattern covers nothing of the source, the second too much"


def test_what_goes_to_one_place_from_two_sources_prunes_nothing_there() -> None:
    world = synced(tags=TAGS[1:])
    world.image("x", name="s.io/b:5")
    world.mirror("s.io/a=d.io/a", "s.io/b=d.io/a", rule_options=ALL)

    assert {outcome for _, outcome in world.pruned()} == {"refused"}
    assert names(world) == set(TAGS)


def test_a_tag_that_its_source_has_after_all_stays() -> None:
    world = synced()
    world.hidden = {"s.io/a:0"}
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "kept")]
    assert deletions(world) == []


def test_a_tag_whose_source_does_not_say_stays() -> None:
    world = synced(tags=TAGS[1:])
    world.breaks = lambda task: (
        Denied("401") if isinstance(task, Resolve) and str(task.reference) == "s.io/a:0" else None
    )
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert world.pruned() == [("d.io/a:0", "failed")]


def test_a_tag_that_two_mappings_would_delete_is_deleted_once() -> None:
    world = synced(tags=TAGS[1:])
    other = replace(ALL, tag_filter=TagFilter(exclude=(Pattern.parse("x"),)))
    mappings = Mappings()
    for line, rule_options in ((1, ALL), (2, other)):
        mappings.add("s.io/a", "d.io/a", Origin("f", line), rule_options)
    world.carry_out(mappings.rules, Options())

    assert world.pruned() == [("d.io/a:0", "pruned")]


def test_in_folders_nothing_is_deleted_and_nothing_said() -> None:
    world = synced(tags=TAGS[1:], line="s.io/a=oci:out")
    world.mirror("s.io/a=oci:out", rule_options=ALL)

    assert world.pruned() == []


def test_nothing_is_deleted_while_another_list_is_outstanding() -> None:
    world = synced(tags=TAGS[1:])
    world.image("b", name="s.io/b:1")

    async def hold(task: Task) -> None:
        if task == ListTags(Repository.parse("s.io/b"), Side.SOURCE):
            # All else has a thousand moments to go on.
            for _ in range(1000):
                await anyio.lowlevel.checkpoint()
            assert deletions(world) == []

    world.before = hold
    world.mirror("s.io/a=d.io/a", "s.io/b=d.io/b", rule_options=ALL)

    assert deletions(world) == ["delete d.io/a:0"]


def test_what_was_not_begun_is_deferred() -> None:
    world = synced(tags=TAGS[1:])

    async def close(task: Task) -> None:
        if isinstance(task, Resolve):
            world.deadline()

    world.before = close
    images = world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert [said for _, said in world.pruned()] == ["deferred"]
    assert len(images) == len(TAGS) - 1
    assert deletions(world) == []


@pytest.mark.parametrize("sent", [False, True])
def test_at_a_deadline_what_was_not_sent_is_deferred(sent: bool) -> None:
    world = synced(tags=TAGS[1:])

    async def close(task: Task) -> None:
        asked = isinstance(task, DeleteManifest) if sent else _asks_for_tag_0(task)
        if asked:
            world.deadline()

    world.before = close
    world.mirror("s.io/a=d.io/a", rule_options=ALL)

    assert [said for _, said in world.pruned()] == ["pruned" if sent else "deferred"]
    assert len(deletions(world)) == sent


def test_what_was_sent_and_not_answered_is_told_of_in_the_end() -> None:
    world = synced(tags=TAGS[1:])

    scopes = list[anyio.CancelScope]()

    async def interrupt(task: Task) -> None:
        if isinstance(task, DeleteManifest):
            scopes[0].cancel()
            await anyio.sleep_forever()

    async def work(run: Run) -> None:
        mappings = Mappings()
        mappings.document(Document("f", b"s.io/a=d.io/a"), ALL)
        with anyio.CancelScope() as scope:
            scopes.append(scope)
            await CopyProcessing(run).carry_out(mappings.rules)

    world.before = interrupt
    world.run(work, Options())

    assert [said for _, said in world.pruned()] == ["deferred"]


def _asks_for_tag_0(task: Task) -> bool:
    return isinstance(task, Resolve) and str(task.reference) == "d.io/a:0"
