"""The main job between two embedded registries: what arrives, and what it costs."""

import json
from collections import Counter
from datetime import UTC, datetime

import anyio
import pytest

from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, catalog, image, index, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.demo.store import Refusal
from mirror.engine.run import Environment, copy
from mirror.events import Event, Landing, Status, Traffic
from mirror.exit_code import ExitCode
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST
from mirror.image.platform import Platform, Selection
from mirror.mapping.grammar import parse
from mirror.options import Options
from mirror.place import Side
from mirror.report.result import Result
from tests.conftest import Copy, Hurry

AMD64 = Platform("linux", "amd64")


def asked(registry: EmbeddedRegistry) -> Counter[str]:
    """Requests by kind, the ping left out, in the terms of the contract."""
    kinds: Counter[str] = Counter()
    for request in registry.log:
        path = request.path.partition("?")[0]
        for noun in ("manifests", "uploads", "blobs", "tags", "_catalog"):
            if noun in path:
                kinds[f"{request.method} {noun}"] += 1
                break
    registry.log.clear()
    return kinds


def simple(registry: EmbeddedRegistry, name: str = "a", tag: str = "1", *seeds: str) -> None:
    layers = [layer(seed, 5000) for seed in seeds or ("x", "y")]
    put(registry.store, name, Blob(b'{"name": "%s"}' % name.encode(), CONFIG), layers, tag)


def same(source: EmbeddedRegistry, target: EmbeddedRegistry, name: str, tag: str) -> bool:
    """Whether the whole graph below a tag is at both, byte for byte."""

    def walk(target_name: str) -> bool:
        here, there = (
            source.store.manifest(name, target_name),
            target.store.manifest(name, target_name),
        )
        blobs = all(
            source.store.blob(name, b.digest) == target.store.blob(name, b.digest)
            for b in here.blobs
        )
        return here == there and blobs and all(walk(str(c.digest)) for c in here.manifests)

    return walk(tag)


async def test_a_fresh_image_costs_the_least_there_is(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)

    result = await mirrored("S/a:1=T/a")

    assert same(source, target, "a", "1")
    assert result.statuses == {Status.COPIED: 1}
    assert asked(source) == {"HEAD manifests": 1, "GET manifests": 1, "GET blobs": 3}
    assert asked(target) == {
        "HEAD manifests": 1, "POST uploads": 3, "PUT uploads": 3, "PUT manifests": 1,
    }  # fmt: skip


async def test_an_unchanged_image_costs_one_head_on_each_side(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)
    await mirrored("S/a:1=T/a")
    source.log.clear()
    target.log.clear()

    result = await mirrored("S/a:1=T/a")

    assert result.statuses == {Status.UNCHANGED: 1}
    assert asked(source) == {"HEAD manifests": 1}
    assert asked(target) == {"HEAD manifests": 1}


async def test_a_moved_tag_costs_one_head_for_each_blob_that_may_be_there(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x", "y")
    await mirrored("S/a:1=T/a")
    simple(source, "a", "1", "x", "z")
    source.log.clear()
    target.log.clear()

    result = await mirrored("S/a:1=T/a")

    assert same(source, target, "a", "1")
    assert result.blobs == {Landing.PRESENT: 2, Landing.COPIED: 1}
    assert asked(source) == {"HEAD manifests": 1, "GET manifests": 1, "GET blobs": 1}
    assert asked(target) == {
        "HEAD manifests": 1, "HEAD blobs": 3, "POST uploads": 1, "PUT uploads": 1,
        "PUT manifests": 1,
    }  # fmt: skip


async def test_a_new_tag_finds_what_is_there_with_the_post_that_was_needed_anyway(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x", "y")
    await mirrored("S/a:1=T/a")
    simple(source, "a", "2", "x", "z")
    target.log.clear()

    result = await mirrored("S/a:2=T/a")

    assert result.blobs == {Landing.PRESENT: 2, Landing.COPIED: 1}
    assert asked(target) == {
        "HEAD manifests": 1, "POST uploads": 3, "PUT uploads": 1, "PUT manifests": 1,
    }  # fmt: skip


async def test_a_blob_crosses_once_and_is_mounted_everywhere_else(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    for name in "abcd":
        simple(source, name, "1", "shared")

    result = await mirrored(*(f"S/{name}:1=T/{name}" for name in "abcd"))

    assert result.blobs == {Landing.COPIED: 5, Landing.MOUNTED: 3}
    assert asked(source)["GET blobs"] == 5
    assert asked(target)["POST uploads"] == 8


async def test_a_whole_catalog_costs_the_least_there_is(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    catalog(source.store, layer_size=2000)

    result = await mirrored("S/*=T/*")
    source_asked, target_asked = asked(source), asked(target)

    # 11 repositories of 3 tags, two of them the same; two platforms; and one artifact.
    tags, manifests, pushed = 11 * 3 + 1, 11 * 2 * 3 + 1, 11 * (3 + 4) + 1
    blobs, mounts = 11 * 2 * (1 + 2 + 2) + 2 + 2, 10 * 2
    assert result.statuses == {Status.COPIED: tags}
    assert source_asked == {
        "GET _catalog": 1, "GET tags": 12, "HEAD manifests": tags, "GET manifests": manifests,
        "GET blobs": blobs,
    }  # fmt: skip
    assert target_asked == {
        "HEAD manifests": tags, "POST uploads": blobs + mounts, "PUT uploads": blobs,
        "PUT manifests": pushed,
    }  # fmt: skip
    for name in source.store.names():
        assert all(same(source, target, name, tag) for tag in source.store.tags(name))


async def test_within_one_registry_nothing_is_moved(
    source: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)

    result = await mirrored("S/a:1=S/b")

    assert result.blobs == {Landing.MOUNTED: 3}
    assert asked(source)["GET blobs"] == 0


async def test_an_index_arrives_with_all_its_children_before_its_tag(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    child = image(source.store, "a", AMD64, [layer("x", 100)])
    inner = index(source.store, "a", "inner", [child])
    nested = {"mediaType": OCI_INDEX, "digest": str(inner), "size": 1}
    nested["size"] = len(source.store.manifest("a", "inner").content)
    index(source.store, "a", "1", [child, nested])

    await mirrored("S/a:1=T/a")
    puts = [r.path for r in target.log if r.method == "PUT" and "manifests" in r.path]

    assert same(source, target, "a", "1")
    assert puts == [f"/v2/a/manifests/{child['digest']}", f"/v2/a/manifests/{inner}",
                    "/v2/a/manifests/1"]  # fmt: skip


async def test_skip_mount_uploads_and_force_pushes_what_is_there(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "x")
    skipped = await mirrored("S/a:1=T/a", "S/b:1=T/b", skip_mount=True)
    assert skipped.blobs == {Landing.COPIED: 4}
    assert not [r for r in target.log if "mount=" in r.path]

    forced = await mirrored("S/a:1=T/a", force=True)
    assert forced.blobs == {Landing.COPIED: 2}
    assert forced.statuses == {Status.COPIED: 1}


async def test_a_dry_run_changes_nothing(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)

    result = await mirrored("S/a:1=T/a", dry_run=True)

    assert result.statuses == {Status.PLANNED: 1}
    assert {request.method for request in target.log} <= {"GET", "HEAD"}
    assert target.store.names() == []


@pytest.mark.parametrize("history", ["nothing", "another tag", "an older image"])
@pytest.mark.parametrize("skip_mount", [False, True])
async def test_a_dry_run_foresees_the_requests_of_the_run(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    history: str,
    skip_mount: bool,
) -> None:
    if history != "nothing":
        simple(source, "a", "1" if history == "an older image" else "0", "x", "y")
        await mirrored("S/a:*=T/a")
    simple(source, "a", "1", "x", "z")
    simple(source, "b", "1", "z")
    lines = ("S/a:1=T/a", "S/b:1=T/b")
    rules = parse([one.replace("S/", f"{source.host}/").replace("T/", f"{target.host}/")
                   for one in lines])  # fmt: skip
    asking = Result(datetime.now(UTC))
    options = Options(dry_run=True, skip_mount=skip_mount)
    plan = await copy(rules, options, asking.take, Traffic())
    assert plan is not None

    ran = await mirrored(*lines, skip_mount=skip_mount)

    assert plan.requests(asking.requests) == ran.requests


async def test_a_pull_by_digest_is_tagged_or_pushed_by_digest(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)
    digest = source.store.manifest("a", "1").digest

    await mirrored(f"S/a@{digest}=T/a:new", f"S/a@{digest}=T/b")

    assert target.store.manifest("a", "new").digest == digest
    assert target.store.manifest("b", str(digest)).digest == digest
    assert target.store.tags("b") == []


async def test_sha512_and_empty_blobs_and_unknown_types_arrive(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    long = source.store.add_blob("a", b"long", Digest.of(b"long", "sha512"))
    empty = source.store.add_blob("a", b"")
    layers = [{"mediaType": "x/y", "digest": str(d), "size": s} for d, s in ((long, 4), (empty, 0))]
    content = json.dumps({"mediaType": "application/vnd.odd", "layers": layers}).encode()
    digest = Digest.of(content, "sha512")
    source.store.put_manifest("a", str(digest), content, "application/vnd.odd")

    await mirrored(f"S/a@{digest}=T/a")

    assert target.store.manifest("a", str(digest)).media_type == "application/vnd.odd"
    assert target.store.blob("a", long) == b"long"
    assert target.store.blob("a", empty) == b""


def blobs(
    status: int | None = None, corrupt: int | None = None, truncate: int | None = None,
    hang_up: bool = False,
) -> Fault:  # fmt: skip
    return Fault(
        "GET", "/blobs/", status, truncate=truncate, corrupt=corrupt, hang_up=hang_up, times=99
    )


@pytest.mark.parametrize(
    ("fault", "category", "side"),
    [(blobs(corrupt=50), "integrity", "source"),
     (blobs(truncate=50), "network", "source"),
     (blobs(hang_up=True), "network", "source"),
     (blobs(status=404), "not_found", "source"),
     (blobs(status=500), "registry", "source"),
     (Fault("HEAD", "/manifests/", status=401, times=9), "auth", "source"),
     (Fault("GET", "/manifests/", corrupt=2, times=9), "integrity", "source"),
     (Fault("GET", "/manifests/", status=200, body=b"<html>", times=9,
            headers={"Content-Type": "text/html"}), "registry", "source"),
     (Fault("GET", "/v2/", hang_up=True, times=99), "network", "source")],
)  # fmt: skip
async def test_a_fault_of_the_source_is_one_precise_failure_and_nothing_is_committed(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    fault: Fault,
    category: str,
    side: str,
) -> None:
    simple(source, "a", "1", "x")
    source.faults.append(fault)
    if fault.method == "HEAD":
        source.faults.append(Fault("GET", "/manifests/", status=401, times=9))

    result = await mirrored("S/a:1=T/a")
    (failed,) = result.failures

    assert failed.error is not None
    assert failed.error.place is not None
    assert (failed.error.category, failed.error.place.side) == (category, side)
    assert failed.error.hint
    assert f"{source.host}/a" in str(failed.error)
    assert not target.store.sessions, "no upload session stays open"
    with pytest.raises(Refusal):
        target.store.manifest("a", "1")


@pytest.mark.parametrize(
    ("method", "path", "status", "category"),
    [("POST", "uploads", 507, "registry"), ("PUT", "uploads", 500, "registry"),
     ("PUT", "manifests", 413, "too_large"), ("PUT", "manifests", 409, "policy"),
     ("POST", "uploads", 401, "auth"), ("POST", "uploads", 429, "rate_limited"),
     ("PUT", "manifests", 405, "unsupported"), ("HEAD", "manifests", 503, "registry")],
)  # fmt: skip
async def test_a_fault_of_the_destination_is_one_precise_failure(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    method: str,
    path: str,
    status: int,
    category: str,
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "y")
    target.faults.append(Fault(method, f"/a/.*{path}", status=status, times=99))
    if method == "HEAD":
        target.faults.append(Fault("GET", f"/a/.*{path}", status=status, times=99))

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b")
    (failed,) = result.failures

    assert same(source, target, "b", "1")
    assert failed.error is not None
    assert failed.error.category == category
    assert f"destination {target.host}/a" in str(failed.error)
    assert str(status) in str(failed.error)
    assert not target.store.sessions


async def test_a_refused_mount_is_followed_by_an_upload(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "x")
    target.faults.append(Fault("POST", "mount=", status=405, times=99))

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b")

    assert result.statuses == {Status.COPIED: 2}
    assert result.blobs[Landing.MOUNTED] == 0


@pytest.mark.parametrize("limit", [300_000, 2_000_000])
async def test_a_limit_on_bodies_is_learnt_once_and_kept(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, limit: int
) -> None:
    target.body_limit = limit
    put(source.store, "a", Blob(b"{}", CONFIG), [layer(seed, 3_000_000) for seed in "xy"], "1")

    result = await mirrored("S/a:1=T/a", max_per_registry=1)

    assert result.statuses == {Status.COPIED: 1}
    assert same(source, target, "a", "1")
    assert target.store.sessions == {}
    assert asked(target)["PATCH uploads"] >= 2 * 3_000_000 // limit


@pytest.mark.parametrize("refusal", ["limit", "method"])
async def test_what_many_uploads_are_refused_at_once_is_learnt_once(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, refusal: str
) -> None:
    for number in range(12):
        put(source.store, "a", Blob(b"{}", CONFIG), [layer(f"{number}", 2_000_000)], str(number))
    if refusal == "limit":
        target.body_limit = 1_200_000
    else:
        target.faults.append(Fault("PUT", "uploads.*digest", status=405, times=6))

    result = await mirrored("S/a=T/a")

    assert result.statuses == {Status.COPIED: 12}
    assert target.store.sessions == {}


async def test_chunks_of_a_size_that_was_asked_for(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [layer("x", 100_000)], "1")
    target.chunk_minimum = 20_000

    await mirrored("S/a:1=T/a", chunk_size=10_000)
    patches = [r for r in target.log if r.method == "PATCH"]

    assert same(source, target, "a", "1")
    assert len(patches) == 1 + 6, "the config, and a layer of 100,000 bytes and a little"


async def test_a_registry_that_takes_no_whole_blobs_is_streamed_to(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x", "y")
    target.faults.append(Fault("PUT", "uploads.*digest", status=405))

    result = await mirrored("S/a:1=T/a", max_per_registry=1)
    kinds = asked(target)

    assert result.statuses == {Status.COPIED: 1}
    assert (kinds["PATCH uploads"], kinds["PUT uploads"]) == (3, 4)


async def test_what_a_quota_does_not_allow_is_deferred_and_not_asked_for(
    source: EmbeddedRegistry, mirrored: Copy
) -> None:
    for tag in "12345":
        simple(source, "a", tag, tag)
    source.pulls = 3

    result = await mirrored("S/a=T/a")

    assert result.statuses == {Status.COPIED: 3, Status.DEFERRED: 2}
    assert result.exit_code is ExitCode.UNFINISHED
    assert asked(source)["GET manifests"] == 3
    assert result.quotas[source.host].remaining == 0
    assert {i.error.category for i in result.images if i.error} == {"rate_limited"}


async def test_wrong_bytes_are_asked_for_once_more_and_then_told(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    source.faults.append(blobs(corrupt=0))

    (failed,) = (await mirrored("S/a:1=T/a", retries=5, max_per_registry=1)).failures

    assert failed.error is not None
    assert failed.error.category == "integrity"
    assert asked(source)["GET blobs"] == 2
    assert target.store.sessions == {}


async def test_a_commit_whose_answer_was_lost_is_not_repeated_blindly(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    target.faults.append(Fault("PUT", "uploads", deaf=True))

    result = await mirrored("S/a:1=T/a", retries=5, max_per_registry=1)
    kinds = asked(target)

    assert result.statuses == {Status.COPIED: 1}
    assert (kinds["PUT uploads"], kinds["HEAD blobs"]) == (2, 1)


async def test_a_failed_leader_leaves_the_blob_to_the_next(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "x")
    target.faults.append(Fault("POST", "/v2/a/", status=403, times=99))

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b")

    assert result.statuses == {Status.COPIED: 1, Status.FAILED: 1}
    assert same(source, target, "b", "1")


async def test_a_head_that_says_too_little_is_followed_by_a_get(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    source.faults.append(Fault("HEAD", "/manifests/", status=200))

    result = await mirrored("S/a:1=T/a")

    assert result.statuses == {Status.COPIED: 1}


async def test_a_registry_that_stores_something_else_is_caught(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    other = {"Docker-Content-Digest": str(Digest.of(b"other"))}
    target.faults.append(Fault("PUT", "/manifests/", status=201, headers=other))

    (failed,) = (await mirrored("S/a:1=T/a")).failures

    assert failed.error is not None
    assert failed.error.category == "integrity"


async def test_a_manifest_by_sha512_may_be_tagged(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    content = source.store.manifest("a", "1").content
    digest = Digest.of(content, "sha512")
    source.store.put_manifest("a", str(digest), content, "")

    result = await mirrored(f"S/a@{digest}=T/a:long")

    assert result.statuses == {Status.COPIED: 1}
    assert target.store.manifest("a", "long").content == content


async def test_an_empty_blob_with_a_wrong_digest_is_a_failure_of_the_source(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    layers = [{"mediaType": "x/y", "digest": str(Digest.of(b"not empty")), "size": 0}]
    source.store.add_blob("a", b"not empty")
    source.store.put_manifest("a", "1", json.dumps({"layers": layers}).encode(), "")

    (failed,) = (await mirrored("S/a:1=T/a")).failures

    assert failed.error is not None
    assert failed.error.category == "integrity"
    assert "source" in str(failed.error)
    assert not target.store.sessions


async def test_a_cancelled_copy_leaves_no_session_behind(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    for number in range(20):
        simple(source, "a", str(number), *(f"{number}{letter}" for letter in "xyz"))
    rules = parse([f"{source.host}/a:*={target.host}/a"])
    told = Result(datetime.now(UTC))

    with anyio.CancelScope() as scope:

        def take(event: Event) -> None:
            told.take(event)
            if told.blobs.total() == 9:
                scope.cancel()

        await copy(rules, Options(), take, Traffic())

    assert scope.cancelled_caught
    assert told.statuses[Status.DEFERRED] > 10
    assert target.store.sessions == {}


async def test_a_copy_may_be_cancelled_at_any_moment(source: EmbeddedRegistry) -> None:
    children = [image(source.store, "a", one, [layer("base", 90_000), layer(str(one), 300)])
                for one in (Platform("linux", "amd64"), Platform("linux", "arm64"))]  # fmt: skip
    index(source.store, "a", "1", children)
    simple(source, "a", "2", "x")

    moment, finished = 0, False
    while not finished:
        target = EmbeddedRegistry()
        async with target.running():
            chunk = 30_000 if moment % 2 else None
            finished = await _cancelled_after(moment, source, target, chunk)
        moment += 1
    assert moment > 20


async def _cancelled_after(
    moment: int, source: EmbeddedRegistry, target: EmbeddedRegistry, chunk: int | None
) -> bool:
    """Cancel a copy after so many events; return whether it was over before that."""
    rules = parse([f"{source.host}/a:*={target.host}/a"])
    told, seen = Result(datetime.now(UTC)), 0
    with anyio.CancelScope() as scope:

        def take(event: Event) -> None:
            nonlocal seen
            told.take(event)
            seen += 1
            if seen > moment:
                scope.cancel()

        await copy(rules, Options(chunk_size=chunk), take, Traffic())
    assert target.store.sessions == {}
    tags = target.store.tags("a") if "a" in target.store.names() else []
    copied = {str(one.destination).rpartition(":")[2] for one in told.images
              if one.status is Status.COPIED}  # fmt: skip
    assert copied <= set(tags)
    names = [str(one.destination) for one in told.images]
    assert len(names) == len(set(names))
    return not scope.cancel_called


async def test_stopping_at_the_first_failure_leaves_no_session_behind(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    for number in range(20):
        simple(source, "a", str(number), *(f"{number}{letter}" for letter in "xyz"))
    target.faults.append(Fault("PUT", "/manifests/", status=500, times=99))

    result = await mirrored("S/a:*=T/a", fail_fast=True)

    assert result.statuses[Status.FAILED] >= 1
    assert result.statuses.total() == 20
    assert target.store.sessions == {}


@pytest.mark.parametrize("header", ["http://[::1/x", "https://r.io:99999999/x", "\x7f"])
async def test_an_address_that_is_none_is_one_failure_and_the_rest_is_delivered(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, header: str
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "y")
    target.faults.append(Fault("POST", "/a/", status=202, headers={"Location": header}, times=9))

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b")

    assert result.statuses == {Status.COPIED: 1, Status.FAILED: 1}


async def test_what_the_source_did_wrong_is_told_whatever_the_destination_makes_of_it(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    source.faults.append(blobs(corrupt=0))
    target.faults.append(Fault("PUT", "uploads", status=400, times=99))

    (failed,) = (await mirrored("S/a:1=T/a")).failures

    assert failed.error is not None
    assert failed.error.place is not None


async def test_a_manifest_larger_than_any_registry_takes_is_not_read_to_its_end(
    source: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    source.faults.append(Fault("GET", "/manifests/", status=200, body=b" " * 20_000_000))

    (failed,) = (await mirrored("S/a:1=T/a")).failures

    assert "larger than 10 MiB" in str(failed.error)


async def test_an_index_that_seems_to_contain_itself_is_caught_by_its_digest(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "b", "1", "y")
    child = source.store.manifest("a", "1").descriptor
    listed = {"mediaType": OCI_INDEX, "digest": str(child.digest), "size": child.size}
    itself = source.store.manifest("a", str(index(source.store, "a", "loop", [listed])))
    source.faults.append(
        Fault("GET", f"/v2/a/manifests/{child.digest}", 200, body=itself.content, times=99)
    )

    result = await mirrored("S/a:loop=T/a", "S/b:1=T/b")
    (failed,) = result.failures

    assert same(source, target, "b", "1")
    assert failed.error is not None
    assert (failed.error.category, "source" in str(failed.error)) == ("integrity", True)


async def test_a_registry_that_cannot_be_reached_is_tried_once_for_all_its_images(
    source: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    nobody = "127.0.0.1:1"

    result = await mirrored("S/a:1=T/a", *(f"{nobody}/a:{n}=T/x" for n in range(9)))

    assert result.statuses == {Status.COPIED: 1, Status.FAILED: 9}
    assert {image.error.category for image in result.failures if image.error} == {"network"}
    assert result.requests[nobody] == 2, "https, then http"


async def test_a_redirect_is_followed_to_where_the_blob_is(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    simple(source, "cdn", "1", "x")
    wanted = source.store.manifest("a", "1").blobs[1].digest
    source.faults.append(
        Fault("GET", "/v2/a/blobs/", status=307, headers={"Location": f"/v2/cdn/blobs/{wanted}"})
    )
    source.faults.append(
        Fault("GET", "/v2/loop/", status=307, headers={"Location": "/v2/loop/x"}, times=99)
    )

    result = await mirrored("S/a:1=T/a", "S/loop=T/loop")

    assert result.statuses == {Status.COPIED: 1, Status.FAILED: 1}
    assert "redirected more than" in str(result.failures[0].error)


async def test_one_source_to_several_registries_is_read_once(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    layers = [layer(seed, 3_000_000) for seed in "xyz"]
    put(source.store, "a", Blob(b"{}", CONFIG), layers, "1")
    others = EmbeddedRegistry(), EmbeddedRegistry()
    async with others[0].running() as second, others[1].running() as third:
        rules = parse([f"{source.host}/a:1", f"{target.host}/a", f"{second}/a", f"{third}/a"])
        told = Result(datetime.now(UTC))
        await copy(rules, Options(), told.take, Traffic())

    assert told.statuses == {Status.COPIED: 3}
    assert asked(source) == {"HEAD manifests": 1, "GET manifests": 1, "GET blobs": 4}
    for registry in (target, *others):
        assert same(source, registry, "a", "1")
        assert registry.store.sessions == {}


async def test_a_limited_rate_is_kept_by_all_bodies_together(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    simple(source, "a", "1", *"uvwxyz")
    hurry = Hurry()
    told = Result(datetime.now(UTC))
    rules = parse([f"{source.host}/a:1={target.host}/a"])
    traffic = Traffic()
    limited = Options(limit_rate=1000, max_per_registry=1)
    await copy(rules, limited, told.take, traffic, Environment(backoff=hurry.backoff(0)))

    assert told.statuses == {Status.COPIED: 1}
    # The last chunk waits for its own bytes too; a tenth of a second is free.
    assert hurry.now >= traffic.moved / 1000 - 0.1


async def test_a_blob_is_asked_for_while_its_session_is_opened(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    await mirrored("S/a:1=T/a")
    simple(source, "a", "1", "y")
    asked_for = anyio.Event()

    async def note() -> None:
        asked_for.set()

    source.faults.append(Fault("GET", "/blobs/", after=note, times=9))
    target.faults.append(Fault("POST", "/uploads/", after=asked_for.wait, times=9))
    with anyio.fail_after(20):
        result = await mirrored("S/a:1=T/a")

    assert result.statuses == {Status.COPIED: 1}


async def test_a_session_that_cannot_be_opened_is_the_destinations_failure(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    await mirrored("S/a:1=T/a")
    put(source.store, "a", Blob(b"{}", CONFIG), [layer("big", 9_000_000)], "1")
    target.faults.append(Fault("POST", "/uploads/", 403, times=9))

    result = await mirrored("S/a:1=T/a")

    (image,) = result.failures
    assert image.error is not None
    assert image.error.place is not None
    assert image.error.place.side is Side.DESTINATION


async def test_connections_are_used_again_and_again(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    for n in range(40):
        simple(source, f"app{n}", "1", "base", f"own{n}")

    result = await mirrored("S/*=T/*", max_per_registry=8)

    assert result.statuses == {Status.COPIED: 40}
    for registry in (source, target):
        connections = {request.connection for request in registry.log}
        assert len(connections) <= 8
        assert len(registry.log) >= 120


async def test_no_more_requests_are_in_flight_than_allowed(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    flying, most = Counter[str](), Counter[str]()

    def watch(registry: EmbeddedRegistry) -> None:
        async def begin() -> None:
            flying[registry.host] += 1
            most[registry.host] = max(most[registry.host], flying[registry.host])
            for _ in range(20):
                await anyio.lowlevel.checkpoint()
            flying[registry.host] -= 1

        registry.faults.append(Fault(after=begin, times=10**6))

    for n in range(30):
        simple(source, f"app{n}", "1", "base", f"own{n}")
    watch(source)
    watch(target)

    result = await mirrored("S/*=T/*", max_per_registry=5)

    assert result.statuses == {Status.COPIED: 30}
    assert max(most.values()) == 5


async def test_a_kept_index_arrives_with_only_the_children_that_are_wanted(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    platforms = [Platform("linux", name) for name in ("amd64", "arm64", "s390x")]
    children = [image(source.store, "a", one, [layer(str(one))]) for one in platforms]
    whole = index(source.store, "a", "1", children)
    target.store.whole_indexes = False
    chosen = Selection(tuple(platforms[:2]), keep_index=True)

    result = await mirrored("S/a:1=T/a", selection=chosen)
    again = await mirrored("S/a:1=T/a", selection=chosen)

    assert (result.statuses, again.statuses) == ({Status.COPIED: 1}, {Status.UNCHANGED: 1})
    assert result.images[0].digest == whole
    arrived = {str(digest) for digest in target.store.manifests("a")}
    assert arrived == {str(whole), str(children[0]["digest"]), str(children[1]["digest"])}


async def test_a_kept_index_gets_what_another_filter_wants(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    platforms = [Platform("linux", name) for name in ("amd64", "arm64", "s390x")]
    children = [image(source.store, "a", one, [layer(str(one))]) for one in platforms]
    index(source.store, "a", "1", children)
    target.store.whole_indexes = False
    await mirrored("S/a:1=T/a", selection=Selection((platforms[0],), keep_index=True))
    target.log.clear()

    wider = Selection(tuple(platforms[:2]), keep_index=True)
    result = await mirrored("S/a:1=T/a", selection=wider)
    asked(target)
    again = await mirrored("S/a:1=T/a", selection=wider)

    assert (result.statuses, again.statuses) == ({Status.COPIED: 1}, {Status.UNCHANGED: 1})
    assert target.store.manifest("a", str(children[1]["digest"]))
    assert asked(target) == {"HEAD manifests": 3}


async def test_a_chosen_platform_costs_one_manifest_more_and_nothing_of_the_others(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    platforms = [Platform("linux", name) for name in ("amd64", "arm64")]
    children = [image(source.store, "a", one, [layer(str(one))]) for one in platforms]
    index(source.store, "a", "1", children)
    chosen = Selection((Platform("linux", "arm64"),))

    result = await mirrored("S/a:1=T/a", selection=chosen)
    source.log.clear()
    target.log.clear()
    again = await mirrored("S/a:1=T/a", selection=chosen)

    assert (result.statuses, again.statuses) == ({Status.COPIED: 1}, {Status.UNCHANGED: 1})
    assert str(result.images[0].digest) == children[1]["digest"]
    assert result.blobs == {Landing.COPIED: 2}
    assert asked(source) == {"HEAD manifests": 1, "GET manifests": 1}
    assert asked(target) == {"HEAD manifests": 1}


IMMUTABLE = [
    pytest.param(409, "TAG_IMMUTABLE", id="Quay"),
    pytest.param(400, "TAG_INVALID", id="ECR"),
    pytest.param(412, "PRECONDITION", id="Harbor"),
]


def refusal(status: int, code: str) -> Fault:
    body = json.dumps({"errors": [{"code": code, "message": "the tag is immutable"}]}).encode()
    return Fault("PUT", "/manifests/1$", status, {"Content-Type": "application/json"}, body)


@pytest.mark.parametrize(("status", "code"), IMMUTABLE)
async def test_an_immutable_tag_that_names_it_already_is_a_success(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, status: int, code: str
) -> None:
    simple(source)
    await mirrored("S/a:1=T/a")
    target.faults.append(refusal(status, code))

    result = await mirrored("S/a:1=T/a", force=True)

    assert result.statuses == {Status.COPIED: 1}
    assert not target.faults[0].times


@pytest.mark.parametrize(("status", "code"), IMMUTABLE)
async def test_an_immutable_tag_that_names_something_else_is_a_matter_of_policy(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, status: int, code: str
) -> None:
    simple(source)
    await mirrored("S/a:1=T/a")
    before = target.store.manifest("a", "1").digest
    simple(source, "a", "1", "other")
    target.faults.append(refusal(status, code))

    result = await mirrored("S/a:1=T/a")

    (failed,) = result.failures
    assert failed.error is not None
    assert failed.error.category == "policy"
    assert "Immutable tags" in failed.error.hint
    assert target.store.manifest("a", "1").digest == before


async def test_a_destination_that_refuses_costs_the_others_no_second_reading(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    layers = [layer(seed, 3_000_000) for seed in "xyz"]
    other = EmbeddedRegistry()
    refusing = EmbeddedRegistry(faults=[Fault("POST", "/uploads/", 403, times=99)])
    put(source.store, "a", Blob(b"{}", CONFIG), layers, "1")
    async with other.running() as second, refusing.running() as third:
        for registry in (target, other, refusing):
            put(registry.store, "a", Blob(b"[]", CONFIG), [layer("old")], "1")
        rules = parse([f"{source.host}/a:1", f"{third}/a", f"{target.host}/a", f"{second}/a"])
        told = Result(datetime.now(UTC))
        await copy(rules, Options(retries=0), told.take, Traffic())

    assert told.statuses == {Status.COPIED: 2, Status.FAILED: 1}
    assert asked(source)["GET blobs"] == 4


FOREIGN = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"


def with_foreign_layer(registry: EmbeddedRegistry, urls: list[str]) -> Digest:
    """Put an image with a layer that is kept elsewhere."""
    layer, config = Blob(b"from elsewhere", FOREIGN), Blob(b"{}", CONFIG)
    registry.store.add_blob("a", config.content)
    document = {
        "schemaVersion": 2, "config": config.descriptor,
        "layers": [{**layer.descriptor, "urls": urls}],
    }  # fmt: skip
    registry.store.put_manifest("a", "1", json.dumps(document).encode(), OCI_MANIFEST)
    return Digest.of(layer.content)


async def test_a_foreign_layer_is_fetched_from_where_it_is_if_that_is_asked_for(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    elsewhere = EmbeddedRegistry(keep_log=True)
    digest = elsewhere.store.add_blob("kept", b"from elsewhere")
    async with elsewhere.running() as host:
        urls = ["http://127.0.0.1:9/gone", f"http://{host}/v2/kept/blobs/{digest}"]
        with_foreign_layer(source, urls[1:])

        left = await mirrored("S/a:1=T/a")
        assert digest not in target.store._repositories["a"].blobs
        pushed = await mirrored("S/a:1=T/a:2", push_foreign=True)

    assert left.statuses == pushed.statuses == {Status.COPIED: 1}
    assert target.store.blob("a", digest) == b"from elsewhere"
    assert [one.login for one in elsewhere.log] == [""]


async def test_a_foreign_layer_that_its_registry_has_is_taken_from_there(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    digest = with_foreign_layer(source, ["http://127.0.0.1:9/unreachable"])
    source.store.add_blob("a", b"from elsewhere")

    result = await mirrored("S/a:1=T/a", push_foreign=True)

    assert result.statuses == {Status.COPIED: 1}
    assert target.store.blob("a", digest) == b"from elsewhere"


async def test_what_an_index_lists_and_is_a_blob_arrives_as_one(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy
) -> None:
    source.store.whole_indexes = target.store.whole_indexes = False
    listed = Blob(b"a model", "application/vnd.example.model")
    source.store.add_blob("a", listed.content)
    child = put(source.store, "a", Blob(b"{}", CONFIG), [])
    top = index(source.store, "a", "1", [listed.descriptor, child])

    result = await mirrored("S/a:1=T/a")
    checked = await verified("S/a:1=T/a")

    assert result.statuses == {Status.COPIED: 1}
    assert checked.statuses == {Status.UNCHANGED: 1}
    assert target.store.manifest("a", "1").digest == top
    assert target.store.blob("a", Digest.of(listed.content)) == listed.content


async def test_what_an_index_lists_and_nobody_has_is_a_failure(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    source.store.whole_indexes = target.store.whole_indexes = False
    gone = Blob(b"gone", "application/vnd.example.model")
    index(source.store, "a", "1", [gone.descriptor])

    result = await mirrored("S/a:1=T/a")

    (failed,) = result.failures
    assert failed.error is not None
    assert (failed.error.category, str(Digest.of(b"gone")) in str(failed.error)) == (
        "not_found", True,
    )  # fmt: skip


async def test_a_manifest_of_schema_1_is_unsupported_and_says_what_to_do(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)
    old = b'{"schemaVersion": 1, "name": "a", "tag": "1", "fsLayers": [], "signatures": []}'
    kind = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    headers = {"Content-Type": kind, "Docker-Content-Digest": str(Digest.of(old))}
    source.faults.append(Fault("GET|HEAD", "/manifests/", 200, headers, old, times=9))

    result = await mirrored("S/a:1=T/a")

    (failed,) = result.failures
    assert failed.error is not None
    assert failed.error.category == "unsupported"
    assert "converts" in failed.error.hint
    assert not [one for one in target.log if one.method in ("PUT", "POST")]
