"""All folders of a run: opened once, listed by kind, closed together."""

import json
from pathlib import Path

import anyio
import pytest

from mirror.errors import RegistryError
from mirror.image.layout import LayoutIndex
from mirror.image.manifest import OCI_MANIFEST
from mirror.image.reference import Repository
from mirror.registry.folders import Folders
from mirror.wire.message import Request

MANIFEST = json.dumps({"schemaVersion": 2, "layers": []}).encode()
LAYOUTS, OC = Repository.parse("oci:/x").registry, Repository.parse("file://x").registry


async def put(folders: Folders, repository: str, tag: str = "v1") -> None:
    request = Request("PUT", f"/v2/x/manifests/{tag}", {"Content-Type": OCI_MANIFEST}, MANIFEST)
    async with folders.local(Repository.parse(repository)).send(request) as reply:
        assert reply.status == 201


def names(root: Path) -> tuple[str, ...]:
    return LayoutIndex.parse((root / "index.json").read_bytes()).names


def test_a_repository_is_opened_once() -> None:
    folders, three = Folders(Path()), ("file://a", "file://b", "oci:a")

    assert len({folders.local(Repository.parse(name)) for name in three * 2}) == 3


async def test_each_kind_lists_its_own_repositories(tmp_path: Path) -> None:
    folders, both = Folders(tmp_path), (str(tmp_path / "a"), str(tmp_path / "b/c"))
    for repository in ("file://team/app", *(f"oci:{path}" for path in both)):
        await put(folders, repository)
    (tmp_path / "no-layout/blobs").mkdir(parents=True)

    assert await folders.catalog(OC, "ignored") == ("team/app",)
    assert await folders.catalog(LAYOUTS, str(tmp_path)) == both
    assert await folders.catalog(LAYOUTS, str(tmp_path / "b")) == both[1:]
    assert await folders.catalog(LAYOUTS, str(tmp_path / "none")) == ()


async def leave_pending(folders: Folders, root: Path) -> None:
    """Put a second tag into a layout whose index cannot be written meanwhile."""
    await put(folders, f"oci:{root}")
    (root / "index.json").unlink()
    (root / "index.json").mkdir()
    with pytest.raises(RegistryError, match=r"index\.json"):
        await put(folders, f"oci:{root}", "v2")


async def test_all_folders_are_closed_although_one_cannot_be(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    for name in "abc":
        await leave_pending(folders, tmp_path / name)
    (tmp_path / "b/index.json").rmdir()

    with pytest.raises(RegistryError, match=r"/a/index\.json: Is a directory"):
        await folders.close()
    assert names(tmp_path / "b") == ("v2",)


async def test_what_is_pending_is_written_even_while_the_run_is_cancelled(tmp_path: Path) -> None:
    await leave_pending(folders := Folders(tmp_path), tmp_path)
    (tmp_path / "index.json").rmdir()

    with anyio.CancelScope() as scope:
        scope.cancel()
        await folders.close()
    assert names(tmp_path) == ("v2",)
