"""The inspect command."""

import hashlib
import json

from tests.cli.conftest import Run


def test_an_image_is_shown_with_platforms_sizes_and_tags(mirror: Run, catalog: str) -> None:
    ran = mirror("inspect", f"{catalog}/shop/cart:1.0")

    assert ran.code == 0
    for word in ("sha256:", "image.index", "linux/amd64", "linux/arm64/v8", "KiB in 4 blobs",
                 "1.0, 1.1, latest"):  # fmt: skip
        assert word in ran.out


def test_programs_get_json(mirror: Run, catalog: str) -> None:
    found = json.loads(mirror("inspect", "-o", "json", f"{catalog}/ops/settings:1.0").out)

    assert found["tags"] == ["1.0"]
    assert found["manifests"][0]["blobs"] == 2
    assert found["manifests"][0]["digest"] == found["digest"]


def test_what_is_not_there_is_an_error(mirror: Run, catalog: str) -> None:
    ran = mirror("inspect", f"{catalog}/shop/cart")

    assert ran.code == 0, "latest is meant where nothing is said"
    missing = mirror("inspect", f"{catalog}/shop/cart:9")
    assert missing.code == 1
    assert "404" in missing.err


def test_raw_is_the_manifest_byte_for_byte(mirror: Run, catalog: str) -> None:
    found = json.loads(mirror("inspect", "-o", "json", f"{catalog}/shop/cart:1.0").out)

    raw = mirror("inspect", "--raw", f"{catalog}/shop/cart:1.0").out

    assert f"sha256:{hashlib.sha256(raw.encode()).hexdigest()}" == found["digest"]


def test_tags_alone_need_no_image(mirror: Run, catalog: str) -> None:
    ran = mirror("inspect", "--tags", f"{catalog}/ops/settings")

    assert (ran.code, ran.out) == (0, "1.0\n")
