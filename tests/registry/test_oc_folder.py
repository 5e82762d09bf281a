"""The folder of `oc image mirror`: tags are links, manifests are blobs by another name."""

import json
from pathlib import Path

import pytest

from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, SIZE_LIMIT, Manifest
from mirror.registry.oc_folder import OcFolder, repositories


def manifest(number: int, media_type: str = OCI_MANIFEST) -> Manifest:
    content = {"schemaVersion": 2, "mediaType": media_type, "layers": [], "n": number}
    return Manifest.parse(json.dumps(content).encode(), "")


@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX])
def test_a_manifest_is_found_wherever_the_folder_is(tmp_path: Path, media_type: str) -> None:
    stored = manifest(1, media_type)
    OcFolder(tmp_path / "here", "team/app").put("v1", stored)
    (tmp_path / "here").rename(tmp_path / "there")
    moved = OcFolder(tmp_path / "there", "team/app")

    for target in ("v1", str(stored.digest)):
        assert moved.manifest(target) == (stored.content, media_type)
    assert moved.manifest("v2") is None
    assert (moved.exists, OcFolder(tmp_path / "there", "team").exists) == (True, False)


def test_a_tag_moves_and_its_old_manifest_stays_without_one(tmp_path: Path) -> None:
    folder = OcFolder(tmp_path, "a")
    for tag, number in (("v2", 1), ("v1", 1), ("v1", 2), ("v1", 2)):
        folder.put(tag, manifest(number))
    folder.put(str(manifest(3).digest), manifest(3))

    assert folder.manifest("v1") == (manifest(2).content, OCI_MANIFEST)
    assert folder.manifest(str(manifest(1).digest)) == (manifest(1).content, OCI_MANIFEST)
    assert folder.names() == ("v1", "v2")
    assert list(tmp_path.rglob(".partial-*")) == []


@pytest.mark.parametrize(("size", "given"), [(SIZE_LIMIT, True), (SIZE_LIMIT + 1, False)])
def test_a_file_that_is_too_large_is_no_manifest(tmp_path: Path, size: int, given: bool) -> None:
    folder = OcFolder(tmp_path, "a")
    folder.put("v1", manifest(1))
    with folder.blob(manifest(1).digest).open("wb") as file:
        file.truncate(size)

    assert folder.manifest("v1") == ((bytes(size), "") if given else None)


def test_repositories_are_listed_however_deep_they_are(tmp_path: Path) -> None:
    for name in ("b", "a/c/d", "a", "a/b"):
        OcFolder(tmp_path, name).put("v1", manifest(1))
    (tmp_path / "v2/not-one").mkdir()
    (tmp_path / "v2/not-one/manifests").touch()

    assert sorted(repositories(tmp_path)) == ["a", "a/b", "a/c/d", "b"]
    assert list(repositories(tmp_path / "elsewhere")) == []


def test_repositories_are_given_in_order_and_a_folder_named_manifests_is_none(
    tmp_path: Path,
) -> None:
    names = ["a/b", "a", "b/manifests"]
    for name in names:
        OcFolder(tmp_path, name).put("v1", manifest(1))

    assert list(repositories(tmp_path)) == sorted(names)
