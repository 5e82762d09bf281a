"""What is left of an index when only some platforms are wanted."""

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import NothingSelected
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor, Manifest
from mirror.image.platform import Platform, Selection
from mirror.image.platform_filter import apply_platform_filter

Entry = dict[str, object]


def child(platform: str = "", *, attests: str = "", name: str = "") -> Entry:
    entry: Entry = {
        "mediaType": OCI_MANIFEST,
        "digest": str(Digest.of(f"{name or platform}{attests}".encode())),
        "size": 7,
    }
    if platform:
        names = ("os", "architecture", "variant")
        entry["platform"] = dict(zip(names, platform.split("/"), strict=False))
    if attests:
        entry["platform"] = {"os": "unknown", "architecture": "unknown"}
        entry["annotations"] = {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": attests,
        }
    return entry


def index(*entries: Entry, **more: object) -> Manifest:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": list(entries), **more}
    return Manifest.parse(json.dumps(document, indent=3).encode(), OCI_INDEX)


def select(*platforms: str, keep: bool = False) -> Selection:
    return Selection(tuple(map(Platform.parse, platforms)), keep_index=keep)


AMD, ARM, S390 = child("linux/amd64"), child("linux/arm64/v8"), child("linux/s390x")


def test_an_index_of_which_everything_is_wanted_stays_as_it_is() -> None:
    whole = index(AMD, ARM)

    assert apply_platform_filter(whole, select("linux/amd64", "linux/arm64")) is whole


def test_the_only_child_that_is_left_takes_its_place() -> None:
    left = apply_platform_filter(index(AMD, ARM, S390), select("linux/arm64"))

    assert isinstance(left, Descriptor)
    assert str(left.digest) == ARM["digest"]


def test_several_are_listed_by_another_index_in_the_same_words() -> None:
    annotated = index(
        AMD, {**ARM, "x-own": [1, None]}, S390, annotations={"a": "b"}, extra={"n": 1}
    )

    left = apply_platform_filter(annotated, select("linux/amd64", "linux/arm64"))

    assert isinstance(left, Manifest)
    assert left.digest != annotated.digest
    assert left.media_type == OCI_INDEX
    assert json.loads(left.content) == {
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [AMD, {**ARM, "x-own": [1, None]}],
        "annotations": {"a": "b"}, "extra": {"n": 1},
    }  # fmt: skip
    again = apply_platform_filter(annotated, select("linux/amd64", "linux/arm64"))
    assert isinstance(again, Manifest)
    assert again.content == left.content, "the same every night"


def test_a_kept_index_names_them_all_and_needs_but_some() -> None:
    whole = index(AMD, ARM)

    left = apply_platform_filter(whole, select("linux/arm64", keep=True))

    assert isinstance(left, Manifest)
    assert (left.content, left.digest) == (whole.content, whole.digest)
    assert left.sparse
    assert [str(one.digest) for one in left.manifests] == [ARM["digest"]]


def test_an_attestation_goes_with_the_child_that_it_is_for() -> None:
    for_amd, for_arm = (child(attests=str(one["digest"])) for one in (AMD, ARM))

    left = apply_platform_filter(index(AMD, ARM, for_amd, for_arm), select("linux/arm64"))

    assert isinstance(left, Manifest)
    assert json.loads(left.content)["manifests"] == [ARM, for_arm]


def test_what_names_no_platform_is_never_lost() -> None:
    nested, stray = child(name="nested"), child(attests="sha256:" + "0" * 64)
    unknown = {**child(name="u"), "platform": {"os": "unknown", "architecture": "unknown"}}
    cache = {**child(name="c"), "mediaType": "application/vnd.buildkit.cacheconfig.v0"}
    whole = index(AMD, nested, ARM, stray, unknown, cache)

    left = apply_platform_filter(whole, select("linux/amd64"))

    assert isinstance(left, Manifest)
    assert json.loads(left.content)["manifests"] == [AMD, nested, stray, unknown, cache]
    nothing_named = index(nested, unknown)
    assert apply_platform_filter(nothing_named, select("linux/amd64")) is nothing_named


def test_a_filter_that_matches_nothing_is_a_failure_that_says_what_there_is() -> None:
    with pytest.raises(NothingSelected) as caught:
        apply_platform_filter(
            index(AMD, ARM, child(attests=str(AMD["digest"]))), select("linux/riscv64")
        )

    assert caught.value.hint == "It has linux/amd64, linux/arm64/v8."


def test_a_pattern_is_searched_for_as_oc_does() -> None:
    pattern = Selection(pattern=re.compile("linux/(amd64|s390x)"))

    left = apply_platform_filter(index(AMD, ARM, S390), pattern)

    assert isinstance(left, Manifest)
    assert json.loads(left.content)["manifests"] == [AMD, S390]


platforms = st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64", ""])


@given(st.lists(platforms, max_size=8), st.sets(platforms.filter(bool), min_size=1), st.booleans())
def test_just_what_is_unwanted_is_missing(listed: list[str], wanted: set[str], keep: bool) -> None:
    entries = [child(platform, name=f"{n}") for n, platform in enumerate(listed)]
    expected = [
        entry["digest"]
        for platform, entry in zip(listed, entries, strict=True)
        if not platform or platform in wanted
    ]
    try:
        left = apply_platform_filter(index(*entries), select(*wanted, keep=keep))
    except NothingSelected:
        assert any(listed)
        assert not wanted & set(listed)
        return
    if isinstance(left, Manifest):
        assert [str(one.digest) for one in left.manifests] == expected
    else:
        assert [str(left.digest)] == expected
