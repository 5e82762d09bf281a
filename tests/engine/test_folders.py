"""Images on their way through folders: out, carried over, in again."""

import json
import os
import time
from pathlib import Path

import pytest

from mirror.auth.keychain import Keychain
from mirror.demo.images import CONFIG, Blob, catalog, index, put
from mirror.demo.server import EmbeddedRegistry
from mirror.errors import Unsupported
from mirror.events import Landing, Status
from mirror.exit_code import ExitCode
from mirror.image.digest import Digest
from mirror.image.layout import LayoutIndex
from mirror.image.reference import Reference, Repository
from mirror.options import Options
from mirror.registry.clients import RegistryClients
from tests.conftest import Copy
from tests.engine.test_referrers import signed

KINDS = ["layout", "oc"]


def place(kind: str, folder: Path) -> str:
    """What to write for `folder`, or for a repository of it."""
    return f"oci:{folder}/a" if kind == "layout" else "file://a"


def state(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file with its size and the moment at which it was written."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if not path.is_dir()
    }


def everything(registry: EmbeddedRegistry, name: str) -> dict[str, Digest]:
    return {tag: registry.store.manifest(name, tag).digest for tag in registry.store.tags(name)}


@pytest.mark.parametrize("chunk_size", [None, 1000])
@pytest.mark.parametrize("kind", KINDS)
async def test_what_goes_out_comes_in_again_with_the_same_digests(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    tmp_path: Path,
    kind: str,
    chunk_size: int | None,
) -> None:
    signed(source)
    put(source.store, "a", Blob(b"{}", CONFIG), [Blob(b"", "application/x")], "empty")
    there = place(kind, tmp_path)

    out = await mirrored(f"S/a={there}", folder=tmp_path, chunk_size=chunk_size)
    back = await mirrored(f"{there}=T/a", folder=tmp_path)

    assert out.statuses == back.statuses == {Status.COPIED: 3}
    assert everything(target, "a") == everything(source, "a")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_second_export_moves_nothing(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, kind: str
) -> None:
    signed(source)
    there = place(kind, tmp_path)
    await mirrored(f"S/a={there}", folder=tmp_path)
    before = state(tmp_path)
    source.log.clear()

    again = await mirrored(f"S/a={there}", folder=tmp_path)

    assert again.statuses == {Status.UNCHANGED: 2}
    assert state(tmp_path) == before
    assert {one.method for one in source.log if "/manifests/" in one.path} == {"HEAD"}
    assert not [one for one in source.log if "/blobs/" in one.path]


@pytest.mark.parametrize("kind", KINDS)
async def test_signatures_cross_the_gap(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, kind: str
) -> None:
    made = signed(source)
    there = place(kind, tmp_path)

    await mirrored(f"S/a:1={there}", folder=tmp_path, referrers=True)
    await mirrored(f"{there}:1=T/a", folder=tmp_path, referrers=True)
    again = await mirrored(f"S/a:1={there}", folder=tmp_path, referrers=True)

    found = {one.digest for one in target.store.referrers("a", made["index"])}
    assert found == {made["signature"]}
    assert {one.digest for one in target.store.referrers("a", made["child"])} == {made["sbom"]}
    assert again.statuses == {Status.UNCHANGED: 1}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_whole_catalog_crosses_the_gap(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, kind: str
) -> None:
    catalog(source.store, 4000)
    there = f"oci:{tmp_path}/*" if kind == "layout" else "file://*"

    out = await mirrored(f"S/*={there}", folder=tmp_path)
    back = await mirrored(f"{there}=T/*", folder=tmp_path)

    assert out.exit_code == back.exit_code == ExitCode.DONE
    assert source.store.names() == target.store.names()
    for name in source.store.names():
        assert everything(target, name) == everything(source, name)


async def test_the_images_of_a_layout_share_their_blobs(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    layers = [Blob(b"layer" * 1000, "application/x")]
    for name in ("a", "b"):
        put(source.store, name, Blob(b'{"n": "%s"}' % name.encode(), CONFIG), layers, "1")

    result = await mirrored(f"S/a:1=oci:{tmp_path}/all:a", f"S/b:1=oci:{tmp_path}/all:b")

    assert result.blobs == {Landing.COPIED: 3}
    index = LayoutIndex.parse((tmp_path / "all/index.json").read_bytes())
    assert sorted(index.names) == ["a", "b"]
    assert json.loads((tmp_path / "all/oci-layout").read_text()) == {"imageLayoutVersion": "1.0.0"}


async def test_between_layouts_blobs_are_linked(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [Blob(b"layer" * 1000, "application/x")], "1")
    await mirrored(f"S/a:1=oci:{tmp_path}/one")

    result = await mirrored(f"oci:{tmp_path}/one:1=oci:{tmp_path}/two")

    assert result.blobs == {Landing.MOUNTED: 2}
    first, second = (
        {path.name: path.stat().st_ino for path in (tmp_path / name / "blobs/sha256").iterdir()}
        for name in ("one", "two")
    )
    assert first.keys() == second.keys()
    assert len(first.items() & second.items()) == 2


async def test_the_folder_of_oc_looks_as_oc_writes_it(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    made = put(source.store, "team/app", Blob(b"{}", CONFIG), [], "1")

    await mirrored("S/team/app:1=file://team/app:1", folder=tmp_path)

    root = tmp_path / "v2/team/app"
    assert str((root / "manifests/1").readlink()) == made["digest"]
    assert (root / "manifests" / str(made["digest"])).samefile(root / "blobs" / str(made["digest"]))
    assert {path.name for path in (root / "blobs").iterdir()} == {
        made["digest"], str(Digest.of(b"{}")),
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_a_blob_that_is_not_what_it_should_be_leaves_nothing_behind(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, kind: str
) -> None:
    digest = Digest.of(b"right")
    put(source.store, "a", Blob(b"{}", CONFIG), [Blob(b"right", "application/x")], "1")
    source.store._content[digest] = b"wrong"  # as a disk may do it

    result = await mirrored(f"S/a:1={place(kind, tmp_path)}", folder=tmp_path)

    assert result.failures[0].error is not None
    assert result.failures[0].error.category == "integrity"
    assert not [name for name in state(tmp_path) if digest.hex in name or "partial" in name]
    if kind == "layout":
        assert LayoutIndex.parse((tmp_path / "a/index.json").read_bytes()).names == ()


@pytest.mark.parametrize("kind", KINDS)
async def test_content_that_rotted_in_a_folder_is_not_passed_on(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, kind: str
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [Blob(b"right", "application/x")], "1")
    there = place(kind, tmp_path)
    await mirrored(f"S/a:1={there}", folder=tmp_path)
    (rotten,) = [name for name in state(tmp_path) if Digest.of(b"right").hex in name]
    (tmp_path / rotten).write_bytes(b"wrong")

    result = await mirrored(f"{there}:1=T/a", folder=tmp_path)

    assert result.failures[0].error is not None
    assert result.failures[0].error.category == "integrity"
    assert target.store.names() == [] or target.store.tags("a") == []


async def test_a_folder_that_cannot_be_written_is_a_failure_that_says_so(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")
    (tmp_path / "file").write_text("in the way")

    result = await mirrored(f"S/a:1=oci:{tmp_path}/file/a")

    error = result.failures[0].error
    assert error is not None
    assert "file/a" in str(error)
    assert "Not a directory" in str(error)


@pytest.mark.parametrize("where", ["oci:{}/none:1", "file://none:1"])
async def test_what_is_not_there_is_not_found(
    target: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, where: str
) -> None:
    result = await mirrored(f"{where.format(tmp_path)}=T/a", folder=tmp_path)

    assert result.failures[0].error is not None
    assert result.failures[0].error.category == "not_found"
    assert state(tmp_path) == {}


async def test_verify_knows_folders(
    source: EmbeddedRegistry, mirrored: Copy, verified: Copy, tmp_path: Path
) -> None:
    made = signed(source)
    there = f"oci:{tmp_path}/a"
    await mirrored(f"S/a:1={there}")
    child = tmp_path / "a/blobs/sha256" / made["child"].hex
    child.unlink()

    found = await verified(f"S/a:1={there}")
    mended = await verified(f"S/a:1={there}", repair=True)

    (entry,) = found.images
    assert [str(one) for one in entry.differences] == [f"missing manifest {made['child']}"]
    assert mended.exit_code == ExitCode.DONE
    assert child.exists()


@pytest.mark.parametrize("kind", KINDS)
async def test_a_dry_run_makes_no_folder(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, kind: str
) -> None:
    signed(source)

    result = await mirrored(
        f"S/a={place(kind, tmp_path)}", folder=tmp_path, dry_run=True, referrers=True
    )

    assert result.statuses == {Status.PLANNED: 2}
    assert list(state(tmp_path)) == []


def rot(folder: Path, digest: object, content: bytes = b"wrong") -> None:
    """Change every file of this digest, as a disk may do it, into a file of its own."""
    name = str(digest).partition(":")[2]
    for path in [folder / found for found in state(folder) if found.endswith(name)]:
        path.unlink()
        path.write_bytes(content)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_manifest_that_rotted_in_a_folder_is_repaired(
    source: EmbeddedRegistry, mirrored: Copy, verified: Copy, tmp_path: Path, kind: str
) -> None:
    made = put(source.store, "a", Blob(b"{}", CONFIG), [], "1")
    line = f"S/a:1={place(kind, tmp_path)}"
    await mirrored(line, folder=tmp_path)
    rot(tmp_path, made["digest"], b'{"schemaVersion": 2, "layers": []}')

    mended = await verified(line, folder=tmp_path, deep=True, repair=True)
    after = await verified(line, folder=tmp_path, deep=True)

    assert mended.exit_code == ExitCode.DONE
    assert after.statuses == {Status.UNCHANGED: 1}


async def test_an_image_without_a_name_is_in_the_index_and_found_missing_if_it_is_not(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    made = signed(source)
    line = f"S/a@{made['index']}=oci:{tmp_path}/x"
    path = tmp_path / "x/index.json"

    await mirrored(line)
    listed = LayoutIndex.parse(path.read_bytes()).manifests
    path.write_bytes(LayoutIndex().encode())
    healed = await mirrored(line)

    assert [one.digest for one in listed] == [made["index"]]
    assert healed.statuses == {Status.COPIED: 1}
    assert LayoutIndex.parse(path.read_bytes()).manifests == listed


async def test_rotten_content_does_not_go_from_layout_to_layout(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [Blob(b"right", "application/x")], "1")
    await mirrored(f"S/a:1=oci:{tmp_path}/x")
    rot(tmp_path, Digest.of(b"right"))

    result = await mirrored(f"oci:{tmp_path}/x:1=oci:{tmp_path}/y")

    assert result.failures[0].error is not None
    assert result.failures[0].error.category == "integrity"


async def test_blobs_of_a_layout_may_be_links(
    source: EmbeddedRegistry, mirrored: Copy, verified: Copy, tmp_path: Path
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [Blob(b"right", "application/x")], "1")
    await mirrored(f"S/a:1=oci:{tmp_path}/x")
    blobs = tmp_path / "x/blobs/sha256"
    (tmp_path / "x/blobs/pool").mkdir()
    for name in state(blobs):
        (blobs / name).rename(blobs / "../pool" / name)
        (blobs / name).symlink_to(f"../pool/{name}")

    result = await mirrored(f"oci:{tmp_path}/x:1=oci:{tmp_path}/y")

    assert result.statuses == {Status.COPIED: 1}
    assert (await verified(f"S/a:1=oci:{tmp_path}/y", deep=True)).exit_code == ExitCode.DONE


@pytest.mark.parametrize("content", [b"a model", b'{"a": "model"}'])
@pytest.mark.parametrize("kind", KINDS)
async def test_a_listed_blob_goes_out_and_in(
    source: EmbeddedRegistry,
    target: EmbeddedRegistry,
    mirrored: Copy,
    tmp_path: Path,
    kind: str,
    content: bytes,
) -> None:
    source.store.whole_indexes = target.store.whole_indexes = False
    model = Blob(content, "application/vnd.example.model")
    source.store.add_blob("a", model.content)
    index(source.store, "a", "1", [model.descriptor])
    there = place(kind, tmp_path)

    out = await mirrored(f"S/a:1={there}", folder=tmp_path)
    back = await mirrored(f"{there}:1=T/a", folder=tmp_path)

    assert out.statuses == back.statuses == {Status.COPIED: 1}
    assert target.store.blob("a", Digest.of(content)) == content


async def test_names_that_are_no_tags_are_said(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")
    await mirrored(f"S/a:1=oci:{tmp_path}/x")
    path = tmp_path / "x/index.json"
    layout = LayoutIndex.parse(path.read_bytes())
    layout.name("docker.io/library/x:1", layout.manifests[0])
    path.write_bytes(layout.encode())

    result = await mirrored(f"oci:{tmp_path}/x=T/a")

    (failed,) = result.failures
    assert "docker.io/library/x:1" in str(failed.error)
    assert result.statuses == {Status.FAILED: 1, Status.COPIED: 1}


async def test_a_signature_that_has_a_name_too_refers_all_the_same(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    made = signed(source)
    signature = source.store.manifest("a", str(made["signature"]))
    source.store.put_manifest("a", "named", signature.content, signature.media_type)

    await mirrored(f"S/a=oci:{tmp_path}/x", referrers=True)
    again = await mirrored(f"S/a=oci:{tmp_path}/x", referrers=True)
    await mirrored(f"oci:{tmp_path}/x:1=T/a", referrers=True)

    assert again.statuses == {Status.UNCHANGED: 3}
    assert [one.digest for one in target.store.referrers("a", made["index"])] == [made["signature"]]


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_killed_run_left_is_removed_some_time_later(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path, kind: str
) -> None:
    put(source.store, "a", Blob(b"{}", CONFIG), [], "1")
    put(source.store, "a", Blob(b'{"n": 2}', CONFIG), [], "2")
    there = place(kind, tmp_path)
    await mirrored(f"S/a:1={there}", folder=tmp_path)
    (blobs,) = {tmp_path / name.partition("blobs")[0] / "blobs"
                for name in state(tmp_path) if "blobs" in name}  # fmt: skip
    for name, age in (("old", 7200), ("new", 0)):
        (blobs / f".partial-{name}").touch()
        moment = time.time() - age
        os.utime(blobs / f".partial-{name}", (moment, moment))

    await mirrored(f"S/a:2={there}", folder=tmp_path)

    assert [path.name for path in blobs.glob(".partial-*")] == [".partial-new"]


async def test_names_are_not_lost_in_a_large_layout(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    made = put(source.store, "a", Blob(b"{}", CONFIG), [], "0")
    for number in range(1, 30):
        put(source.store, "a", Blob(b"{}", CONFIG), [], str(number))
    await mirrored(f"S/a:0=oci:{tmp_path}/x")
    path = tmp_path / "x/index.json"
    layout = LayoutIndex.parse(path.read_bytes())
    for number in range(600):
        layout.name(f"old-{number}", layout.manifests[0])
    path.write_bytes(layout.encode())

    result = await mirrored(f"S/a=oci:{tmp_path}/x")

    after = LayoutIndex.parse(path.read_bytes())
    assert result.exit_code == ExitCode.DONE
    assert len(after.names) == 630
    assert {str(one.digest) for one in after.manifests} == {made["digest"]}


async def test_a_child_that_is_brought_back_gets_no_entry_of_its_own(
    source: EmbeddedRegistry, mirrored: Copy, verified: Copy, tmp_path: Path
) -> None:
    made = signed(source)
    line = f"S/a:1=oci:{tmp_path}/x"
    await mirrored(line)
    before = (tmp_path / "x/index.json").read_bytes()
    (tmp_path / "x/blobs/sha256" / made["child"].hex).unlink()

    await verified(line, repair=True)

    assert (tmp_path / "x/index.json").read_bytes() == before
    assert (await verified(line, deep=True)).exit_code == ExitCode.DONE


async def test_a_folder_deletes_nothing_and_says_so(
    source: EmbeddedRegistry, mirrored: Copy, tmp_path: Path
) -> None:
    catalog(source.store)
    await mirrored(f"S/shop/cart:1.0=oci:{tmp_path}/out")
    out = Repository.parse(f"oci:{tmp_path}/out")
    async with RegistryClients(Options(), lambda _: None, Keychain()) as registries:
        client = registries.deleting(out)
        digest = (await client.resolve("1.0")).digest

        assert not await client.delete(Reference(out, "1.0"))
        with pytest.raises(Unsupported):
            await client.delete(Reference(out, digest=digest))
        assert (await client.tags()).names == ("1.0",)
