"""A folder that answers like a registry, asked by the one verb."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.image.digest import Digest
from mirror.image.manifest import OCI_MANIFEST
from mirror.registry.blob_reader import read
from mirror.registry.folder_registry import Folder, FolderRegistry
from mirror.registry.oc_folder import OcFolder
from mirror.registry.oci_folder import OciFolder
from mirror.wire.message import Request

CONTENT = b"0123456789"
DIGEST = Digest.of(CONTENT)
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []}).encode()
KINDS: list[Callable[[Path, str], Folder]] = [OcFolder, lambda root, path: OciFolder(root / path)]
Answer = tuple[int, dict[str, str], bytes]


class Asked:
    """A folder, and what it answers."""

    def __init__(self, root: Path, kind: Callable[[Path, str], Folder]) -> None:
        self.root, self.kind = root, kind
        self.registry = FolderRegistry(kind(root, "a"), lambda path: kind(root, path))

    async def __call__(self, method: str, path: str, body: bytes = b"", wanted: str = "") -> Answer:
        url = path if path.startswith("http") else f"/v2/a/{path}"
        headers = {"Content-Type": OCI_MANIFEST, "Range": wanted}
        async with self.registry.send(Request(method, url, headers, body)) as reply:
            return reply.status, dict(reply.headers), await read(reply, 1000)

    async def session(self) -> str:
        status, headers, _ = await self("POST", "blobs/uploads/")
        assert status == 202
        return headers["Location"]


@pytest.fixture(params=KINDS, ids=["oc", "layout"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Asked:
    return Asked(tmp_path, request.param)


async def test_a_manifest_is_given_with_the_digest_that_it_is_asked_for_by(ask: Asked) -> None:
    sha512 = Digest.of(MANIFEST, "sha512")
    assert [(await ask("GET", path))[0] for path in ("manifests/v1", "tags/list")] == [404, 404]
    for target, digest in (("v1", Digest.of(MANIFEST)), (str(sha512), sha512)):
        assert (await ask("PUT", f"manifests/{target}", MANIFEST))[0] == 201
        status, headers, content = await ask("GET", f"manifests/{target}")

        assert (status, headers["Docker-Content-Digest"], content) == (200, str(digest), MANIFEST)
        assert await ask("HEAD", f"manifests/{target}") == (200, headers, b"")
    assert json.loads((await ask("GET", "tags/list"))[2]) == {"tags": ["v1"]}
    assert (await ask("DELETE", "manifests/v1"))[0] == 405


@pytest.mark.parametrize(
    ("wanted", "status", "content", "said"),
    [("", 200, CONTENT, None), ("bytes=0-", 206, CONTENT, "0-9"), ("bytes=9-", 206, b"9", "9-9"),
     ("bytes=3-5", 206, b"345", "3-5"), ("bytes=8-99", 206, b"89", "8-9"),
     ("bytes=10-", 416, b"", None), ("bytes=5-4", 416, b"", None)],
)  # fmt: skip
async def test_a_blob_is_given_from_any_byte_to_any_byte(
    ask: Asked, wanted: str, status: int, content: bytes, said: str | None
) -> None:
    await ask("PUT", f"{await ask.session()}?digest={DIGEST}", CONTENT)
    answered, headers, given = await ask("GET", f"blobs/{DIGEST}", wanted=wanted)

    assert (answered, given) == (status, content)
    assert headers.get("Content-Range") == (said and f"bytes {said}/10")
    assert int(headers.get("Content-Length", 0)) == len(content)


async def test_a_blob_comes_in_pieces_and_is_there_when_it_is_committed(ask: Asked) -> None:
    session, dropped, forgotten = [await ask.session() for _ in range(3)]
    await ask("PATCH", session, CONTENT[:7])
    status, headers, _ = await ask("GET", session)
    assert (status, headers["Range"]) == (204, "0-6")
    assert (await ask("HEAD", f"blobs/{DIGEST}"))[0] == 404

    assert (await ask("PUT", f"{session}?digest={DIGEST}", CONTENT[7:]))[0] == 201
    assert (await ask("DELETE", dropped))[0] == 204
    stand = [(await ask("GET", one))[0] for one in (session, dropped, forgotten)]
    assert stand == [404, 404, 204]
    await ask.registry.close()
    assert (await ask("GET", f"blobs/{DIGEST}"))[2] == CONTENT
    assert list(ask.root.rglob(".partial-*")) == []
