"""The embedded registry, as the distribution specification's conformance suite asks it.

Asked with a plain HTTP client, by the sections of the suite for 1.1: pull, push
in each way, mounts, tags, referrers, deletes.
"""

import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from mirror.demo.fault import Fault
from mirror.demo.server import EmbeddedRegistry
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST

CONTENT = b"some content of a blob"
DIGEST = Digest.of(CONTENT)
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
async def http(source: EmbeddedRegistry) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(f"http://{source.host}", auto_decompress=False) as session:
        yield session


async def ask(
    http: aiohttp.ClientSession, method: str, url: str, status: int, **more: object
) -> tuple[aiohttp.ClientResponse, bytes]:
    async with http.request(method, url, **more) as response:  # type: ignore[arg-type]
        body = await response.read()
        assert response.status == status, (method, url, response.status, body)
        return response, body


def manifest(**more: object) -> bytes:
    described = {"mediaType": "application/x", "digest": str(DIGEST), "size": len(CONTENT)}
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described, "layers": [], **more}
    ).encode()


async def put(http: aiohttp.ClientSession, target: str, content: bytes) -> aiohttp.ClientResponse:
    headers = {"Content-Type": json.loads(content)["mediaType"]}
    url = f"/v2/a/manifests/{target}"
    return (await ask(http, "PUT", url, 201, data=content, headers=headers))[0]


async def test_the_base_answers(http: aiohttp.ClientSession) -> None:
    await ask(http, "GET", "/v2/", 200)
    await ask(http, "GET", "/elsewhere", 404)
    await ask(http, "POST", "/v2/", 405)


async def test_what_is_not_there_is_not_found(http: aiohttp.ClientSession) -> None:
    for url in (f"/v2/a/blobs/{DIGEST}", "/v2/a/manifests/x", f"/v2/a/manifests/{DIGEST}",
                "/v2/a/tags/list", "/v2/a/blobs/uploads/none"):  # fmt: skip
        _, body = await ask(http, "GET", url, 404)
        assert json.loads(body)["errors"][0]["code"]
    await ask(http, "GET", "/v2/a/blobs/sha256:zz", 400)


async def test_a_blob_in_one_request_and_how_it_is_read(http: aiohttp.ClientSession) -> None:
    url = f"/v2/a/blobs/uploads/?digest={DIGEST}"
    response, _ = await ask(http, "POST", url, 201, data=CONTENT, headers=OCTETS)
    blob = response.headers["Location"]

    response, body = await ask(http, "GET", blob, 200)
    assert (body, response.headers["Docker-Content-Digest"]) == (CONTENT, str(DIGEST))
    response, body = await ask(http, "HEAD", blob, 200)
    assert (body, response.headers["Content-Length"]) == (b"", str(len(CONTENT)))

    response, body = await ask(http, "GET", blob, 206, headers={"Range": "bytes=5-"})
    assert body == CONTENT[5:]
    assert response.headers["Content-Range"] == f"bytes 5-{len(CONTENT) - 1}/{len(CONTENT)}"
    _, body = await ask(http, "GET", blob, 206, headers={"Range": "bytes=5-11"})
    assert body == CONTENT[5:12]
    await ask(http, "GET", blob, 416, headers={"Range": "bytes=99-"})


@pytest.mark.parametrize("content", [CONTENT, b""])
@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_blob_by_post_and_put(
    http: aiohttp.ClientSession, content: bytes, algorithm: str
) -> None:
    digest = Digest.of(content, algorithm)
    response, _ = await ask(http, "POST", "/v2/a/blobs/uploads/", 202)
    url = response.headers["Location"] + f"?digest={digest}"
    await ask(http, "PUT", url, 201, data=content, headers=OCTETS)

    assert (await ask(http, "GET", f"/v2/a/blobs/{digest}", 200))[1] == content
    await ask(http, "PUT", url, 404, data=content)


async def test_a_streamed_blob(http: aiohttp.ClientSession) -> None:
    response, _ = await ask(http, "POST", "/v2/a/blobs/uploads/", 202)
    url = response.headers["Location"]
    await ask(http, "PATCH", url, 202, data=CONTENT, headers=OCTETS)
    await ask(http, "PUT", f"{url}?digest={DIGEST}", 201)


async def test_a_blob_in_chunks_that_must_come_in_order(http: aiohttp.ClientSession) -> None:
    response, _ = await ask(http, "POST", "/v2/a/blobs/uploads/", 202)
    url = response.headers["Location"]

    await ask(http, "PATCH", url, 416, data=CONTENT[5:], headers={"Content-Range": "5-21"})
    response, _ = await ask(
        http, "PATCH", url, 202, data=CONTENT[:5], headers={"Content-Range": "0-4"}
    )
    assert response.headers["Range"] == "0-4"
    response, _ = await ask(http, "GET", url, 204)
    assert response.headers["Range"] == "0-4"
    await ask(http, "PATCH", url, 416, data=CONTENT[:5], headers={"Content-Range": "0-4"})
    await ask(http, "PATCH", url, 400, data=b"x", headers={"Content-Range": "5-9"})
    await ask(http, "PATCH", url, 416, data=b"x", headers={"Content-Range": "bytes 5-5/9"})
    await ask(
        http, "PUT", f"{url}?digest={DIGEST}", 201, data=CONTENT[5:],
        headers={"Content-Range": "5-21"},
    )  # fmt: skip


async def test_an_upload_can_be_cancelled(http: aiohttp.ClientSession) -> None:
    response, _ = await ask(http, "POST", "/v2/a/blobs/uploads/", 202)
    await ask(http, "DELETE", response.headers["Location"], 204)
    await ask(http, "GET", response.headers["Location"], 404)


async def test_a_wrong_digest_is_not_committed(http: aiohttp.ClientSession) -> None:
    response, _ = await ask(http, "POST", "/v2/a/blobs/uploads/", 202)
    url = response.headers["Location"]
    await ask(http, "PUT", url, 400, data=CONTENT)
    await ask(http, "PUT", f"{url}?digest={DIGEST}", 400, data=b"other")
    await ask(http, "GET", f"/v2/a/blobs/{DIGEST}", 404)


@pytest.mark.parametrize("origin", ["&from=a", ""])
async def test_a_mount_takes_a_blob_over(
    http: aiohttp.ClientSession, source: EmbeddedRegistry, origin: str
) -> None:
    source.store.add_blob("a", CONTENT)
    await ask(http, "POST", f"/v2/b/blobs/uploads/?mount={DIGEST}{origin}", 201)

    assert source.store.blob("b", DIGEST) == CONTENT


@pytest.mark.parametrize("origin", ["&from=elsewhere", ""])
async def test_a_mount_of_what_is_not_there_opens_a_session(
    http: aiohttp.ClientSession, origin: str
) -> None:
    response, _ = await ask(http, "POST", f"/v2/b/blobs/uploads/?mount={DIGEST}{origin}", 202)
    assert "Location" in response.headers


async def test_a_manifest_by_tag_and_digest(
    http: aiohttp.ClientSession, source: EmbeddedRegistry
) -> None:
    source.store.add_blob("a", CONTENT)
    content = manifest(unknown={"x": 1})
    digest = Digest.of(content)
    response = await put(http, "v1", content)
    assert response.headers["Docker-Content-Digest"] == str(digest)

    for target in ("v1", str(digest)):
        response, body = await ask(http, "GET", f"/v2/a/manifests/{target}", 200)
        assert (body, response.content_type) == (content, OCI_MANIFEST)
        await ask(http, "HEAD", f"/v2/a/manifests/{target}", 200)
    long = Digest.of(content, "sha512")
    await put(http, str(long), content)
    await ask(http, "GET", f"/v2/a/manifests/{long}", 200)


@pytest.mark.parametrize(
    ("target", "content", "status"),
    [("v1", b"no json", 400), ("-v1", b"{}", 400), (str(DIGEST), b"{}", 400),
     ("v1", b" " * 5_000_000, 413),
     ("v1", manifest(), 404),
     ("v1", json.dumps({"manifests": [{"digest": str(DIGEST), "size": 1}]}).encode(), 404)],
)  # fmt: skip
async def test_what_is_no_whole_manifest_is_refused(
    http: aiohttp.ClientSession, target: str, content: bytes, status: int
) -> None:
    await ask(http, "PUT", f"/v2/a/manifests/{target}", status, data=content)


async def test_tags_page_by_page(http: aiohttp.ClientSession, source: EmbeddedRegistry) -> None:
    source.store.add_blob("a", CONTENT)
    for tag in ("c", "a", "b"):
        await put(http, tag, manifest())

    async def tags(query: str) -> tuple[list[str], str]:
        response, body = await ask(http, "GET", f"/v2/a/tags/list{query}", 200)
        return json.loads(body)["tags"], response.headers.get("Link", "")

    assert await tags("") == (["a", "b", "c"], "")
    assert await tags("?n=2") == (["a", "b"], '</v2/a/tags/list?n=2&last=b>; rel="next"')
    assert await tags("?n=2&last=b") == (["c"], "")
    assert await tags("?n=0") == ([], "")
    await ask(http, "GET", "/v2/a/tags/list?n=x", 400)
    _, body = await ask(http, "GET", "/v2/_catalog?n=5", 200)
    assert json.loads(body) == {"repositories": ["a"]}


async def test_referrers_of_what_may_not_be_there_yet(
    http: aiohttp.ClientSession, source: EmbeddedRegistry
) -> None:
    source.store.add_blob("a", CONTENT)
    subject = Digest.of(b"not there")
    described = {"mediaType": OCI_MANIFEST, "digest": str(subject), "size": 9}
    for kind in ("x/sig", "x/sbom"):
        content = manifest(subject=described, artifactType=kind, annotations={"k": kind})
        response = await put(http, str(Digest.of(content)), content)
        assert response.headers["OCI-Subject"] == str(subject)

    response, body = await ask(http, "GET", f"/v2/a/referrers/{subject}", 200)
    found = json.loads(body)["manifests"]
    assert response.content_type == OCI_INDEX
    assert [one["artifactType"] for one in found] == ["x/sig", "x/sbom"]
    assert found[0]["annotations"] == {"k": "x/sig"}

    response, body = await ask(http, "GET", f"/v2/a/referrers/{subject}?artifactType=x/sbom", 200)
    assert response.headers["OCI-Filters-Applied"] == "artifactType"
    assert len(json.loads(body)["manifests"]) == 1

    await ask(http, "DELETE", f"/v2/a/manifests/{found[0]['digest']}", 202)
    _, body = await ask(http, "GET", f"/v2/a/referrers/{subject}", 200)
    assert len(json.loads(body)["manifests"]) == 1
    _, body = await ask(http, "GET", f"/v2/none/referrers/{subject}", 200)
    assert json.loads(body)["manifests"] == []


async def test_deletes(http: aiohttp.ClientSession, source: EmbeddedRegistry) -> None:
    source.store.add_blob("a", CONTENT)
    content = manifest()
    await put(http, "one", content)
    await put(http, "two", content)

    await ask(http, "DELETE", "/v2/a/manifests/one", 202)
    await ask(http, "GET", "/v2/a/manifests/one", 404)
    await ask(http, "GET", "/v2/a/manifests/two", 200)
    await ask(http, "DELETE", f"/v2/a/manifests/{Digest.of(content)}", 202)
    await ask(http, "GET", "/v2/a/manifests/two", 404)
    await ask(http, "DELETE", f"/v2/a/blobs/{DIGEST}", 202)
    await ask(http, "GET", f"/v2/a/blobs/{DIGEST}", 404)
    await ask(http, "DELETE", f"/v2/a/blobs/{DIGEST}", 404)


async def test_a_name_that_is_none_is_refused(http: aiohttp.ClientSession) -> None:
    await ask(http, "POST", "/v2/Bad/blobs/uploads/", 400)


async def test_it_misbehaves_as_often_as_it_is_told_to(
    http: aiohttp.ClientSession, source: EmbeddedRegistry
) -> None:
    source.store.add_blob("a", CONTENT)
    source.faults += [
        Fault(path="/blobs/", status=503, headers={"Retry-After": "1"}, times=2),
        Fault(path="/blobs/", corrupt=0),
        Fault(path="/blobs/", truncate=3),
        Fault(path="/blobs/", hang_up=True),
    ]
    url = f"/v2/a/blobs/{DIGEST}"
    for _ in range(2):
        await ask(http, "GET", url, 503)
    _, body = await ask(http, "GET", url, 200)
    assert body == bytes([CONTENT[0] ^ 0xFF]) + CONTENT[1:]
    with pytest.raises(aiohttp.ClientError):
        await ask(http, "GET", url, 200)
    with pytest.raises(aiohttp.ClientError):
        await ask(http, "POST", "/v2/a/blobs/uploads/", 202)
    await ask(http, "GET", url, 200)
