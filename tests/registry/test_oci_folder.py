"""A layout in a folder, with several who write it."""

import json
from pathlib import Path

from mirror.image.layout import LayoutIndex
from mirror.image.manifest import OCI_MANIFEST, Manifest
from mirror.registry.oci_folder import OciFolder


def manifest(number: int) -> Manifest:
    content = json.dumps({"schemaVersion": 2, "layers": [], "n": number}).encode()
    return Manifest.parse(content, OCI_MANIFEST)


def names(root: Path) -> set[str]:
    return set(LayoutIndex.parse((root / "index.json").read_bytes()).names)


def test_two_who_write_one_layout_lose_no_name(tmp_path: Path) -> None:
    one, other = OciFolder(tmp_path), OciFolder(tmp_path)
    for number in range(4):
        one.put(f"one-{number}", manifest(number))
        other.put(f"other-{number}", manifest(number))

    assert len(names(tmp_path)) == 8


def test_names_of_a_large_layout_that_are_not_written_yet_are_known_and_written_at_the_end(
    tmp_path: Path,
) -> None:
    layout = OciFolder(tmp_path)
    for number in range(520):
        layout.put(f"v{number}", manifest(number % 3))

    assert len(layout.names()) == 520
    assert layout.manifest("v519") == (manifest(519 % 3).content, OCI_MANIFEST)
    layout.close()
    assert len(names(tmp_path)) == 520


def test_what_another_wrote_meanwhile_stays_when_pending_names_are_written(tmp_path: Path) -> None:
    layout, other = OciFolder(tmp_path), OciFolder(tmp_path)
    for number in range(520):
        layout.put(f"v{number}", manifest(0))
    other.put("another", manifest(1))
    layout.put("last", manifest(0))
    layout.close()

    assert names(tmp_path) >= {"another", "last", "v519"}
