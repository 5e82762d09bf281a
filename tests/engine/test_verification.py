"""Verification between embedded registries: what it finds, what it mends, what it costs."""

import json
from collections import Counter

import anyio
import pytest

from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, image, index, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.events import Status
from mirror.exit_code import ExitCode
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST
from mirror.image.platform import Platform, Selection
from mirror.image.referrers_index import fallback_tag
from mirror.options import Timeouts
from mirror.report.result import Result
from tests.conftest import Copy
from tests.engine.test_referrers import listed, referrer, signed

PLATFORMS = [Platform("linux", name) for name in ("amd64", "arm64", "s390x", "ppc64le")]


def asked(registry: EmbeddedRegistry) -> Counter[str]:
    nouns = ("uploads", "manifests", "blobs", "tags", "referrers")
    found = Counter(
        f"{one.method} {next(noun for noun in nouns if f'/{noun}/' in one.path)}"
        for one in registry.log
        if one.path != "/v2/"
    )
    registry.log.clear()
    return found


def four(registry: EmbeddedRegistry, tag: str = "1") -> tuple[Digest, list[Digest]]:
    """Put an index of four images, two layers each of which one is everybody's."""
    children = [
        image(registry.store, "a", one, [layer("base", 3000), layer(str(one), 3000)])
        for one in PLATFORMS
    ]
    top = index(registry.store, "a", tag, children)
    return top, [Digest.parse(str(child["digest"])) for child in children]


def said(result: Result) -> list[str]:
    return sorted(str(one) for image in result.images for one in image.differences)


async def test_two_children_and_a_blob_that_were_deleted_are_named_and_brought_back(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    _, children = four(source)
    await mirrored("S/a:1=T/a")
    blob = source.store.manifest("a", str(children[0])).blobs[2].digest
    for child in children[2:]:
        target.store.delete_manifest("a", str(child))
    target.store.delete_blob("a", blob)
    source.log.clear()
    target.log.clear()

    found = await verified("S/a:1=T/a")
    cost = asked(target)
    mended = await verified("S/a:1=T/a", repair=True)
    repair = asked(target)
    after = await verified("S/a:1=T/a")

    missing = sorted(
        [*(f"missing manifest {child}" for child in children[2:]), f"missing blob {blob}"]
    )
    assert said(found) == said(mended) == missing
    assert found.exit_code == ExitCode.DIFFERENT
    # Five manifests and its tag; four configs, four layers and the one they share.
    assert cost == {"HEAD manifests": 6, "HEAD blobs": 9}
    assert repair - cost == {"POST uploads": 1, "PUT uploads": 1, "PUT manifests": 2}
    assert mended.statuses == {Status.COPIED: 1}
    assert mended.exit_code == ExitCode.DONE
    assert (after.statuses, said(after)) == ({Status.UNCHANGED: 1}, [])


async def test_nothing_differs_after_a_copy_whatever_is_compared(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    signed(source)
    await mirrored("S/a=T/a", referrers=True)

    for deep in (False, True):
        result = await verified("S/a=T/a", referrers=True, deep=deep)
        assert said(result) == []
        assert result.exit_code == ExitCode.DONE


async def test_an_image_that_is_not_there_at_all_is_brought_whole(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    top, children = four(source)

    mended = await verified("S/a:1=T/a", repair=True)

    assert "missing tag 1" in said(mended)
    assert target.store.manifest("a", "1").digest == top
    assert len(said(mended)) == 1 + 1 + len(children) + 9
    assert (await verified("S/a:1=T/a", deep=True)).statuses == {Status.UNCHANGED: 1}


async def test_a_tag_that_names_something_else_is_said_and_set_last(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    top, _ = four(source)
    await mirrored("S/a:1=T/a")
    other = put(target.store, "a", Blob(b'{"other": 1}', CONFIG), [], "1")

    found = await verified("S/a:1=T/a")
    mended = await verified("S/a:1=T/a", repair=True)

    assert said(found) == [f"different tag 1: names {other['digest']}, not {top}"]
    assert mended.exit_code == ExitCode.DONE
    assert target.store.manifest("a", "1").digest == top


async def test_content_that_rotted_is_found_by_reading_it(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    _, children = four(source)
    await mirrored("S/a:1=T/a")
    blob = source.store.manifest("a", str(children[0])).blobs[2].digest
    rotten = f"/v2/a/blobs/{blob}"
    target.faults.append(Fault("GET", rotten, times=9, corrupt=7))

    shallow = await verified("S/a:1=T/a")
    deep = await verified("S/a:1=T/a", deep=True, retries=3)

    assert said(shallow) == []
    (one,) = said(deep)
    assert one.startswith(f"different blob {blob}: expected {blob}, received sha256:")
    assert deep.exit_code == ExitCode.DIFFERENT


async def test_content_that_was_spoiled_once_on_the_way_is_no_difference(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    four(source)
    await mirrored("S/a:1=T/a")
    target.faults.append(Fault("GET", "/v2/a/blobs/", times=1, corrupt=7))

    deep = await verified("S/a:1=T/a", deep=True, retries=3)

    assert said(deep) == []


async def test_tags_that_only_the_destination_has_are_said_and_left(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    for tag in ("v1", "v2"):
        put(source.store, "a", Blob(b'{"n": "%s"}' % tag.encode(), CONFIG), [], tag)
    await mirrored("S/a=T/a")
    for tag in ("v3", "other", "mine"):
        put(target.store, "a", Blob(b"{}", CONFIG), [], tag)
    put(source.store, "b", Blob(b"{}", CONFIG), [], "other")

    found = await verified("S/a:v*=T/a")
    everything = await verified("S/a=T/a", "S/b:other=T/a:other", repair=True)

    assert said(found) == ["extra tag v3"]
    assert found.exit_code == ExitCode.DIFFERENT
    assert said(everything) == ["extra tag mine", "extra tag v3"]
    assert everything.exit_code == ExitCode.DIFFERENT
    assert "mine" in target.store.tags("a")


async def test_missing_signatures_are_found_and_brought(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    target.referrers = False
    made = signed(source)
    await mirrored("S/a:1=T/a")
    own = referrer(target, made["index"], "application/x", "ours")

    found = await verified("S/a:1=T/a", referrers=True)
    mended = await verified("S/a:1=T/a", referrers=True, repair=True)
    after = await verified("S/a:1=T/a", referrers=True, deep=True)

    assert f"missing referrer {made['signature']}" in said(found)
    assert f"missing tag {fallback_tag(made['index'])}.sig" in said(found)
    assert mended.exit_code == ExitCode.DONE
    assert said(after) == []
    assert listed(target, made["index"]) == [own, made["signature"]]


async def test_only_the_platforms_that_were_asked_for_are_missed(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    four(source)
    wanted = Selection(tuple(PLATFORMS[:2]))
    await mirrored("S/a:1=T/a", selection=wanted)

    assert said(await verified("S/a:1=T/a", selection=wanted)) == []
    assert (await verified("S/a:1=T/a")).exit_code == ExitCode.DIFFERENT


@pytest.mark.parametrize("side", ["source", "target"])
async def test_what_cannot_be_compared_is_a_failure_and_no_difference(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    verified: Copy,
    side: str,
) -> None:
    four(source)
    await mirrored("S/a:1=T/a")
    broken = source if side == "source" else target
    broken.faults.append(Fault(".*", "/v2/a/", times=99, status=500))

    result = await verified("S/a:1=T/a")

    assert result.exit_code == ExitCode.FAILED


async def test_a_source_that_does_not_exist_is_skipped_if_asked(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    assert (await verified("S/a:1=T/a", skip_missing=True)).statuses == {Status.SKIPPED: 1}
    assert (await verified("S/a:1=T/a")).exit_code == ExitCode.FAILED


async def test_the_report_names_each_difference(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")

    result = await verified("S/a:1=T/a")
    document = json.loads(result.json(1.0))

    (entry,) = document["images"]
    assert entry["status"] == "failed"
    assert entry["error"]["class"] == "integrity"
    assert {"condition": "missing", "noun": "tag", "name": "1", "found": None} in entry[
        "differences"
    ]


async def test_indexes_within_each_other_end(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    child = put(source.store, "a", Blob(b"{}", CONFIG), [])
    for _ in range(9):
        digest = index(source.store, "a", "1", [child])
        child = {"mediaType": OCI_INDEX, "digest": str(digest), "size": 9}

    result = await verified("S/a:1=T/a")

    assert result.failures[0].error is not None
    assert result.failures[0].error.category == "unsupported"


async def test_a_registry_that_keeps_its_rotten_copy_is_not_repaired(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    _, children = four(source)
    await mirrored("S/a:1=T/a")
    blob = source.store.manifest("a", str(children[0])).blobs[2].digest
    target.faults.append(Fault("GET", f"/v2/a/blobs/{blob}", times=99, corrupt=7))

    result = await verified("S/a:1=T/a", deep=True, repair=True)

    (failed,) = result.failures
    assert failed.error is not None
    assert "still has something else" in str(failed.error)
    assert result.exit_code == ExitCode.FAILED


async def test_what_others_added_to_a_list_is_no_difference_and_stays(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    source.referrers = target.referrers = False
    made = signed(source)
    await mirrored("S/a=T/a", referrers=True)
    own = referrer(target, made["index"], "application/x", "ours")

    found = await verified("S/a=T/a", referrers=True)
    mended = await verified("S/a=T/a", referrers=True, repair=True)
    again = await mirrored("S/a=T/a", referrers=True)

    assert said(found) == said(mended) == []
    assert listed(target, made["index"]) == [made["signature"], own]
    assert again.statuses == {Status.UNCHANGED: len(again.images)}


async def test_what_a_list_at_the_destination_lacks_is_added_by_a_repair_of_its_tag(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    source.referrers = target.referrers = False
    made = signed(source)
    await mirrored("S/a=T/a", referrers=True)
    more = referrer(source, made["index"], "application/x", "more")
    tag = fallback_tag(made["index"])

    found = await verified(f"S/a:{tag}=T/a", referrers=True)
    mended = await verified(f"S/a:{tag}=T/a", referrers=True, repair=True)

    assert f"missing referrer {more}" in said(found)
    assert mended.exit_code == ExitCode.DONE
    assert listed(target, made["index"]) == [made["signature"], more]


async def test_a_layer_that_is_elsewhere_too_is_missed_at_the_destination(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    content, config = Blob(b"also elsewhere", "application/x"), Blob(b"{}", CONFIG)
    digest = source.store.add_blob("a", content.content)
    source.store.add_blob("a", config.content)
    urls = [f"http://{source.host}/v2/a/blobs/{digest}"]
    document = {
        "schemaVersion": 2, "config": config.descriptor,
        "layers": [{**content.descriptor, "urls": urls}],
    }  # fmt: skip
    source.store.put_manifest("a", "1", json.dumps(document).encode(), OCI_MANIFEST)
    await mirrored("S/a:1=T/a")
    target.store.delete_blob("a", digest)

    for deep in (False, True):
        assert said(await verified("S/a:1=T/a", deep=deep)) == [f"missing blob {digest}"]


async def test_a_tag_that_a_slow_list_explains_is_not_extra(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    for name, tag in (("a", "1"), ("b", "2")):
        put(source.store, name, Blob(b'{"n": "%s"}' % tag.encode(), CONFIG), [], tag)
    await mirrored("S/a=T/x", "S/b=T/x")
    compared = anyio.Event()

    async def wait() -> None:
        with anyio.move_on_after(5):
            await compared.wait()

    async def note() -> None:
        compared.set()

    source.faults.append(Fault("GET", "/v2/b/tags/list", after=wait, times=1))
    target.faults.append(Fault("HEAD", "/v2/x/blobs/", after=note, times=1))

    assert said(await verified("S/a=T/x", "S/b=T/x")) == []


async def test_a_listed_blob_is_no_trouble_to_who_looks_for_referrers(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    source.store.whole_indexes = target.store.whole_indexes = False
    model = Blob(b"a model", "application/vnd.example.model")
    source.store.add_blob("a", model.content)
    index(source.store, "a", "1", [model.descriptor])

    assert (await mirrored("S/a:1=T/a", referrers=True)).statuses == {Status.COPIED: 1}
    assert (await verified("S/a:1=T/a", referrers=True)).statuses == {Status.UNCHANGED: 1}


async def test_a_registry_that_does_not_list_what_it_has_is_not_repaired(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    made = signed(source)
    await mirrored("S/a:1=T/a", referrers=True)
    nothing = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}).encode()
    target.faults.append(
        Fault(
            "GET",
            f"/referrers/{made['index']}",
            200,
            {"Content-Type": OCI_INDEX},
            nothing,
            times=99,
        )
    )

    found = await verified("S/a:1=T/a", referrers=True)
    mended = await verified("S/a:1=T/a", referrers=True, repair=True)

    assert said(found) == [f"missing referrer {made['signature']}"]
    assert mended.exit_code == ExitCode.FAILED


async def test_an_image_named_by_another_algorithm_is_the_same_image(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")
    content = source.store.manifest("a", "1").content
    long = Digest.of(content, "sha512")
    source.store.put_manifest("a", str(long), content, OCI_MANIFEST)
    line = f"S/a@{long}=T/a:1"

    first, again = await mirrored(line), await mirrored(line)

    assert (first.statuses, again.statuses) == ({Status.COPIED: 1}, {Status.UNCHANGED: 1})
    assert said(await verified(line)) == []


async def test_a_repair_sends_a_blob_once_for_all_repositories(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    for name in "abc":
        config = Blob(b'{"name": "%s"}' % name.encode(), CONFIG)
        put(source.store, name, config, [layer("shared", 3000)], "1")

    mended = await verified(*(f"S/{name}:1=T/{name}" for name in "abc"), repair=True)

    assert mended.statuses == {Status.COPIED: 3}
    assert asked(target)["PUT uploads"] == 4


async def test_a_referrer_that_is_gone_is_no_missing_source(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    source.referrers = False
    made = signed(source)
    await mirrored("S/a:1=T/a")
    source.store.delete_manifest("a", str(made["signature"]))

    result = await mirrored(f"S/a@{made['index']}=T/a:1", referrers=True, skip_missing=True)

    assert result.statuses == {Status.FAILED: 1}


async def test_repositories_that_are_not_there_say_nothing_of_whether_lists_are_kept(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    signed(source)
    await mirrored("S/a:1=T/a", referrers=True)
    lines = []
    for name in "bcde":
        put(source.store, name, Blob(b"{}", CONFIG), [], "1")
        body = b'{"errors": [{"code": "NAME_UNKNOWN"}]}'
        headers = {"Content-Type": "application/json"}
        path = f"/v2/{name}/referrers/"
        source.faults.append(Fault("GET", path, 404, headers, body, times=9))
        lines.append(f"S/{name}:1=T/{name}")

    await verified(*lines, referrers=True)
    result = await verified("S/a:1=T/a", *lines, referrers=True)

    (one,) = [image for image in result.images if str(image.source).endswith("/a:1")]
    assert one.status is Status.UNCHANGED


async def test_what_is_within_an_index_is_put_before_it(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    children = [image(source.store, "a", one, [layer(str(one), 3000)]) for one in PLATFORMS[:2]]
    inner = index(source.store, "a", "inner", children)
    entry = source.store.manifest("a", str(inner)).descriptor.entry
    index(source.store, "a", "1", [entry, *children])

    mended = await verified("S/a:1=T/a", repair=True)

    assert mended.statuses == {Status.COPIED: 1}


async def test_a_repair_puts_the_tag_after_what_refers_to_the_image(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    made = signed(source)

    await verified("S/a:1=T/a", referrers=True, repair=True)

    puts = [one.path.rpartition("/")[2] for one in target.log
            if one.method == "PUT" and "/manifests/" in one.path]  # fmt: skip
    assert puts[-1] == "1"
    assert puts.index(str(made["index"])) < puts.index(str(made["signature"]))


async def test_a_digest_that_does_not_exist_is_skipped_if_asked(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")
    line = f"S/a@{Digest.of(b'nothing')}=T/a:1"
    assert (await verified(line, skip_missing=True)).statuses == {Status.SKIPPED: 1}


async def test_a_dry_run_repairs_nothing(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")

    result = await verified("S/a:1=T/a", repair=True, dry_run=True)

    assert result.exit_code == ExitCode.DIFFERENT
    assert target.store.names() == []


async def test_after_the_deadline_what_was_not_compared_is_deferred(
    source: EmbeddedRegistry, target: EmbeddedRegistry, verified: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")
    source.faults.append(Fault("HEAD", "/manifests/", silent=True))

    result = await verified("S/a:1=T/a", deadline=0.01, timeouts=Timeouts(stall=0.3))

    assert result.statuses == {Status.DEFERRED: 1}
    assert result.exit_code == ExitCode.UNFINISHED


async def test_what_two_tags_lack_is_put_once(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    top, children = four(source)
    store = source.store
    store.put_manifest("a", "2", store.manifest("a", str(top)).content, OCI_INDEX)
    await mirrored("S/a=T/a")
    for child in children:
        target.store.delete_manifest("a", str(child))
    target.log.clear()
    result = await verified("S/a=T/a", repair=True)

    assert result.statuses == {Status.COPIED: 2}
    put = Counter(one.path.rpartition("/")[2] for one in target.log if one.method == "PUT")
    assert put == {str(child): 1 for child in children}
