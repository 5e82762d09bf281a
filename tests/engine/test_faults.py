"""Every kind of request meets every fault: what can arrive does, the rest is a precise failure."""

from datetime import UTC, datetime
from email.utils import format_datetime

import pytest
from msgspec.structs import replace

from mirror.demo.fault import Fault
from mirror.demo.images import CONFIG, Blob, layer, put
from mirror.demo.server import EmbeddedRegistry, TokenIssuer
from mirror.events import Status
from mirror.options import Timeouts
from tests.conftest import Copy
from tests.engine.test_copying import same, simple

KIB, MIB = 1024, 1024 * 1024
# Side, method, path.  The second copy of a layer is mounted, large ones go in chunks.
KINDS = [
    ("source", "GET", "^/v2/$"), ("source", "GET", "/token"), ("source", "GET", "_catalog"),
    ("source", "GET", "tags"), ("source", "HEAD", "manifests"), ("source", "GET", "manifests"),
    ("source", "GET", "blobs"),
    ("target", "GET", "^/v2/$"), ("target", "GET", "/token"), ("target", "HEAD", "manifests"),
    ("target", "HEAD", "blobs"), ("target", "POST", "uploads/$"), ("target", "POST", "mount"),
    ("target", "PATCH", "uploads"), ("target", "PUT", "uploads"), ("target", "PUT", "manifests"),
]  # fmt: skip
DATE = {"Date": format_datetime(datetime(2026, 1, 1, tzinfo=UTC), usegmt=True)}
HTML = {"Content-Type": "text/html; charset=utf-8"}
FAULTS = {
    "503": Fault(status=503, headers={"Retry-After": "0"}, times=2),
    "429 for seconds": Fault(status=429, headers={"Retry-After": "0"}, times=2),
    "429 until a date": Fault(status=429, headers={"Retry-After": DATE["Date"], **DATE}, times=2),
    "401 once": Fault(status=401),
    "reset before the answer": Fault(hang_up=True),
    "reset after the work": Fault(deaf=True),
    "reset in the body": Fault(reset=20),
    "reset in what is sent": Fault(breaks=2000),
    "stall": Fault(silent=True),
    "stall in the body": Fault(stall=20),
    "truncation": Fault(truncate=20),
    "corruption": Fault(corrupt=5),
    "web page": Fault(status=200, headers=HTML, body=b"<html>Please log in</html>"),
}


def patience_with(fault: Fault, seconds: float) -> Timeouts:
    """Be quick to give up only where there is silence: a busy machine is slow to answer too."""
    quiet = fault.silent or fault.stall is not None
    return Timeouts(stall=seconds, commit=seconds) if quiet else Timeouts()


def can_be(name: str, method: str, path: str) -> bool:
    """Whether a fault can be told: only what has a body breaks off, only digests show changes."""
    if name in ("reset in the body", "stall in the body", "truncation"):
        return method == "GET" and path != "^/v2/$"
    if name == "reset in what is sent":
        return path == "uploads" and method != "POST"
    if name == "corruption":
        return method == "GET" and path in ("manifests", "blobs")
    # A token server's 401 is about the login itself.
    return (name, path) != ("401 once", "/token")


def matrix(kinds: list[tuple[str, str, str]]) -> list[object]:
    return [
        pytest.param(
            side,
            replace(fault, method=method, path=path),
            id=f"{name}-{side}-{method}-{path.strip('^$')}",
        )
        for side, method, path in kinds
        for name, fault in FAULTS.items()
        if can_be(name, method, path)
    ]


@pytest.mark.parametrize(("side", "fault"), matrix(KINDS))
async def test_a_fault_that_passes_stops_nothing(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, side: str, fault: Fault
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [layer("x", 70_000), layer("y", 5000)], "1")
    put(source.store, "b", Blob(b"{ }", CONFIG), [layer("y", 5000)], "1")
    put(target.store, "a", Blob(b"{  }", CONFIG), [], "1")  # so that blobs are looked for
    registry = source if side == "source" else target
    for one in (source, target):
        one.tokens = TokenIssuer(uses=999)
    if fault.status == 401:
        fault.headers = {"WWW-Authenticate": f'Bearer realm="http://{registry.host}/token"'}
    registry.faults.append(replace(fault))

    result = await mirrored(
        "S/*=T/*", retries=5, chunk_size=30_000, timeouts=patience_with(fault, 1.0)
    )

    assert [str(i.error) for i in result.failures] == []
    assert result.statuses == {Status.COPIED: 2}
    assert registry.faults[0].times == 0, "the fault was never met"
    assert same(source, target, "a", "1")
    assert same(source, target, "b", "1")
    # Of a session whose opening was never answered nobody knows.
    assert target.store.sessions == {} or (fault.deaf and fault.method == "POST")


# What a plain copy asks one repository for.
LASTING = [
    ("source", "HEAD", "manifests"), ("source", "GET", "manifests"), ("source", "GET", "blobs"),
    ("target", "POST", "uploads"), ("target", "PUT", "uploads"), ("target", "PUT", "manifests"),
]  # fmt: skip


# What a fault that stays is told as, by what came back; and what arrives all the same: a
# HEAD that is refused is asked as a GET, and a lost answer to a commit is looked for.
CATEGORIES = {
    "503": "registry", "429 for seconds": "rate_limited", "429 until a date": "rate_limited",
    "401 once": "auth", "web page": "registry", "corruption": "integrity",
}  # fmt: skip
ASKED_ANOTHER_WAY = {"503", "429 for seconds", "429 until a date", "401 once", "web page"}


def arrives(name: str, side: str, fault: Fault) -> bool:
    if (side, fault.method) == ("source", "HEAD"):
        return name in ASKED_ANOTHER_WAY
    return (name, fault.method, fault.path) == ("reset after the work", "PUT", "uploads")


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize(("side", "method", "path"), LASTING)
async def test_a_fault_that_stays_is_told_of_and_everything_else_arrives(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    side: str,
    method: str,
    path: str,
    name: str,
) -> None:
    if not can_be(name, method, path):
        return
    fault = replace(FAULTS[name], method=method, path=f"/bad/.*{path}", times=9999)
    simple(source, "good", "1", "x")
    simple(source, "bad", "1", "y")
    registry = source if side == "source" else target
    registry.faults.append(fault)

    result = await mirrored(
        "S/good:1=T/good", "S/bad:1=T/bad", retries=1, timeouts=patience_with(fault, 0.6)
    )
    told = [(str(i.source).rpartition("/")[2], i.error) for i in result.failures]

    assert fault.times < 9999, "the fault was never met"
    assert same(source, target, "good", "1")
    assert target.store.sessions == {} or (fault.deaf and fault.method == "POST")
    if arrives(name, side, replace(fault, path=path)):
        assert told == []
        assert same(source, target, "bad", "1")
        return
    ((image, error),) = told
    assert error is not None
    assert error.place is not None
    assert (image, error.place.side, error.category) == (
        "bad:1",
        "source" if side == "source" else "destination",
        CATEGORIES.get(name, "network"),
    )


async def test_a_media_type_without_an_end_stops_nobody_else(
    source: EmbeddedRegistry, mirrored: Copy
) -> None:
    simple(source, "a", "1")
    simple(source, "b", "1")
    content = b'{"schemaVersion": 2, "mediaType": "a/b%s\\u0001"}' % (b";a" * 60)
    # Without a HEAD it is the digest of what comes that counts.
    source.faults.append(Fault("HEAD", "/a/manifests/", 405, times=9))
    source.faults.append(Fault("GET", "/a/manifests/", 200, {}, content, times=9))

    result = await mirrored("S/a:1=T/a", "S/b:1=T/b")

    (failed,) = result.failures
    assert "is not a media type" in str(failed.error)
    assert result.statuses[Status.COPIED] == 1
