"""What breaks off goes on where it broke off, and nothing moves twice that need not."""

from datetime import UTC, datetime
from typing import Any

import pytest
from msgspec.structs import replace

from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, layer, put
from mirror.demo.server import EmbeddedRegistry
from mirror.engine.run import Environment, copy
from mirror.events import Status, Traffic
from mirror.image.digest import Digest
from mirror.mapping.grammar import parse
from mirror.options import Options
from mirror.report.result import Result
from tests.conftest import Copy, Hurry
from tests.engine.test_copying import asked, same, simple

MIB = 1024 * 1024
BIG = 3 * MIB


def big(registry: EmbeddedRegistry, size: int = BIG) -> str:
    """Make up an image of one layer; return the layer's path."""
    blob = layer("big", size)
    put(registry.store, "a", Blob(b"{}", CONFIG), [blob], "1")
    return f"/blobs/{Digest.of(blob.content)}"


async def moved(
    source: EmbeddedRegistry, target: EmbeddedRegistry, **options: Any
) -> tuple[int, Result]:
    """Copy the image; return the bytes of bodies that moved."""
    told, traffic = Result(datetime.now(UTC)), Traffic()
    rules = parse([f"{source.host}/a:1={target.host}/a"])
    asked = Options(**options)
    await copy(
        rules, asked, told.take, traffic, Environment(backoff=Hurry().backoff(asked.retries))
    )
    assert [str(i.error) for i in told.failures] == []
    assert same(source, target, "a", "1")
    assert target.store.sessions == {}
    return traffic.moved, told


def content_size(registry: EmbeddedRegistry) -> int:
    return sum(blob.size for blob in registry.store.manifest("a", "1").blobs)


async def test_a_download_goes_on_at_the_byte_where_it_broke_off(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    path = big(source)
    source.faults += [Fault("GET", path, reset=n * 200_000 + 1) for n in range(1, 4)]

    count, result = await moved(source, target)
    ranges = [request.range for request in source.log if path in request.path]

    assert count == content_size(source)
    assert ranges == ["", "bytes=200001-", "bytes=600002-", "bytes=1200003-"]
    assert [kind for kind in asked(target) if kind.startswith("POST")] == ["POST uploads"]
    assert result.images[0].attempts == 4


@pytest.mark.parametrize("answer", ["whole", "elsewhere", "nonsense", "not satisfiable"])
async def test_a_source_that_gives_no_ranges_is_read_from_the_start_and_passed_over(
    source: EmbeddedRegistry, target: EmbeddedRegistry, answer: str
) -> None:
    path = big(source)
    source.faults.append(Fault("GET", path, truncate=1_000_000))
    elsewhere = {"Content-Range": "bytes 2000000-2999999/*"}
    source.ranges = answer != "whole"
    after = {
        "elsewhere": Fault("GET", path, 206, elsewhere, b"x" * 1_000_000),
        "nonsense": Fault("GET", path, 206, {"Content-Range": "everything"}, b"x"),
        "not satisfiable": Fault("GET", path, 416),
    }.get(answer)
    source.faults += [after] if after is not None else []

    count, _ = await moved(source, target)

    assert count == content_size(source)


async def test_a_place_that_was_signed_for_and_has_expired_is_asked_for_again(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    path = big(source)
    cdn = EmbeddedRegistry(store=source.store)
    async with cdn.running() as place:
        there = {"Location": f"http://{place}/v2/a{path}?signature=secret"}
        source.faults += [Fault("GET", path, 307, there) for _ in range(3)]
        cdn.faults += [Fault("GET", path, reset=MIB), Fault("GET", path, status=403)]

        count, _ = await moved(source, target)

    assert count == content_size(source)


async def test_a_refusal_of_the_registry_itself_is_not_asked_for_again(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    path = big(source)
    source.faults.append(Fault("GET", path, status=403, times=9))

    (failed,) = (await mirrored("S/a:1=T/a", retries=5)).failures

    assert failed.error is not None
    assert failed.error.category == "auth"
    assert source.faults[0].times == 8


async def test_an_upload_in_chunks_goes_on_where_the_registry_says_it_stands(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    big(source, 4 * MIB)
    target.store.add_blob("a", b"{}")  # so that the layer alone is sent
    target.faults += [Fault("PATCH", "uploads", breaks=n) for n in (1_700_000, 900_000)]

    count, _ = await moved(source, target, chunk_size=3 * MIB, max_per_registry=1)
    kinds = asked(target)

    # Between the last note of the hash and the break there is at most about a mebibyte.
    assert content_size(source) < count <= content_size(source) + 2 * (MIB + 600_000)
    assert kinds["POST uploads"] == 2  # the layer's, and the one that finds the config
    assert kinds["GET uploads"] == 2


async def test_a_large_blob_that_broke_off_as_a_whole_is_sent_again_in_chunks(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    big(source, 20 * MIB)
    target.store.add_blob("a", b"{}")
    target.faults += [Fault("PUT", "uploads", breaks=9 * MIB)]
    target.faults += [Fault("PATCH", "uploads", breaks=10 * MIB)]

    await moved(source, target, max_per_registry=1)
    kinds = asked(target)

    assert kinds["PATCH uploads"] == 2
    assert kinds["GET uploads"] == 1


async def test_a_registry_that_miscounts_is_not_asked_where_it_stands(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    big(source)
    target.store.add_blob("a", b"{}")  # so that the layer alone is sent
    miscount = {"Range": "0-17"}
    target.faults += [
        Fault("PATCH", "uploads", breaks=500_000),
        Fault("GET", "uploads", 204, {"Range": f"0-{9 * MIB}"}),
    ]

    await moved(source, target, chunk_size=MIB)
    assert asked(target)["GET uploads"] == 1

    target.store.delete_manifest("a", "1")
    target.store.delete_blob("a", source.store.manifest("a", "1").blobs[1].digest)
    target.faults += [Fault("PATCH", "uploads", 202, miscount)]
    await moved(source, target, chunk_size=MIB)
    assert asked(target)["GET uploads"] == 0


@pytest.mark.parametrize("status", [404, 416])
async def test_a_session_that_is_lost_is_followed_by_another(
    source: EmbeddedRegistry, target: EmbeddedRegistry, status: int
) -> None:
    simple(source, "a", "1", "x")
    body = b'{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}'
    target.faults += [Fault("PUT", "uploads", status, body=body)]

    await moved(source, target, max_per_registry=1)

    assert asked(target)["POST uploads"] == 3


async def test_what_arrived_as_something_else_is_sent_once_more_in_another_way(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "x")
    body = b'{"errors": [{"code": "DIGEST_INVALID", "message": "no"}]}'
    refusal = Fault("PUT", "uploads.*digest", 400, body=body)
    target.faults += [replace(refusal)]

    await moved(source, target, max_per_registry=1)
    assert asked(target)["PATCH uploads"] == 1

    simple(source, "b", "1", "z")
    target.faults[:] = [replace(refusal, times=99)]
    (failed,) = (await mirrored("S/b:1=T/b", retries=5)).failures
    assert failed.error is not None
    assert failed.error.category == "integrity"
    assert failed.error.place is not None
    assert failed.error.place.side == "destination"


@pytest.mark.parametrize("lag", [1, 4])
@pytest.mark.parametrize(
    ("status", "code"), [(404, b"MANIFEST_BLOB_UNKNOWN"), (400, b"DIGEST_INVALID")]
)
async def test_a_registry_that_does_not_know_yet_what_it_has_is_waited_for(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    lag: int,
    status: int,
    code: bytes,
) -> None:
    simple(source)
    body = b'{"errors": [{"code": "%b"}]}' % code
    target.faults += [Fault("PUT", "/manifests/", status, body=body, times=lag)]

    result = await mirrored("S/a:1=T/a", retries=5)
    kinds = asked(target)

    assert result.statuses == {Status.COPIED: 1}
    assert kinds["HEAD blobs"] == 3 * lag
    assert kinds["POST uploads"] == 3
    assert result.images[0].attempts == lag + 1


async def test_what_a_mount_did_not_bring_is_uploaded(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1", "shared")
    simple(source, "b", "1", "shared")
    # Says that it is mounted, and is not.
    target.faults += [Fault("POST", "/v2/b/.*mount=", status=201, times=99)]

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b", retries=5, max_per_registry=1)

    assert result.statuses == {Status.COPIED: 2}
    assert same(source, target, "b", "1")
    assert result.images[1].attempts == 2


async def test_a_manifest_that_stays_incomplete_is_one_failure(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)
    body = b'{"errors": [{"code": "MANIFEST_BLOB_UNKNOWN", "message": "blob unknown"}]}'
    target.faults += [Fault("PUT", "/manifests/", 404, body=body, times=99)]

    (failed,) = (await mirrored("S/a:1=T/a", retries=5)).failures

    assert failed.error is not None
    assert "blob unknown" in str(failed.error)
    assert asked(target)["PUT manifests"] == 5


async def test_a_kept_connection_that_was_closed_costs_no_attempt(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source)
    target.faults += [Fault("POST", "uploads", hang_up=True)]

    result = await mirrored("S/a:1=T/a", retries=1, max_per_registry=1)

    assert result.statuses == {Status.COPIED: 1}


async def test_a_deadline_that_has_passed_defers_everything(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    for number in range(9):
        simple(source, "a", str(number), str(number))

    result = await mirrored("S/a:*=T/a", "S/b:1=T/b", deadline=0.0)

    assert set(result.statuses) == {Status.DEFERRED}
    assert target.store.names() == []


@pytest.mark.parametrize("status", [404, 405, 416])
async def test_chunks_that_were_only_tried_and_are_not_taken_are_given_up_for_all(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, status: int
) -> None:
    big(source, 20 * MIB)
    simple(source, "b", "1", "x")
    target.faults += [
        Fault("PUT", "uploads", breaks=9 * MIB),
        Fault("PATCH", "uploads", status, times=99),
    ]

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b", retries=5, max_per_registry=1)

    assert result.statuses == {Status.COPIED: 2}, [str(i.error) for i in result.failures]
    assert target.faults[1].times == 98


async def test_an_upload_that_never_goes_on_is_not_tried_retries_times_retries(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    big(source)
    target.faults += [Fault("PATCH", "uploads", 503, times=999)]

    await mirrored("S/a:1=T/a", retries=3, chunk_size=MIB, max_per_registry=1)

    # Of the layer, and of the config that is tried in the meantime.
    assert 999 - target.faults[0].times <= 2 * 4


async def test_an_answer_that_comes_before_the_blob_was_sent_is_not_believed(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy
) -> None:
    big(source)
    target.faults += [Fault("PUT", "uploads", status=201, times=99)]

    (failed,) = (await mirrored("S/a:1=T/a", retries=2)).failures

    assert failed.error is not None
    assert "before" in str(failed.error) or "MANIFEST_BLOB_UNKNOWN" in str(failed.error)
    assert target.store.tags("a") == []


async def test_sessions_are_cancelled_while_the_host_is_left_alone(
    source: EmbeddedRegistry, target: EmbeddedRegistry
) -> None:
    big(source)
    target.faults += [Fault("PUT", "uploads", 503, {"Retry-After": "400"}, times=2)]

    await moved(source, target, max_per_registry=1)
