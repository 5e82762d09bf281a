"""The index of a layout: its names, and what stays as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InvalidManifest
from mirror.image.digest import Digest
from mirror.image.layout import LayoutIndex
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor

NAME = "org.opencontainers.image.ref.name"
names = st.text(min_size=1, max_size=5)
descriptors = st.builds(
    Descriptor, st.binary(max_size=3).map(Digest.of), st.integers(0, 99), st.just(OCI_MANIFEST)
)


def one(text: str) -> Descriptor:
    return Descriptor(Digest.of(text.encode()), len(text), OCI_MANIFEST)


def test_a_new_index_is_an_empty_one() -> None:
    assert json.loads(LayoutIndex().encode()) == {
        "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [],
    }  # fmt: skip


def test_what_others_wrote_stays_as_it_was() -> None:
    entry = {
        "mediaType": OCI_MANIFEST, "digest": str(Digest.of(b"x")), "size": 1,
        "annotations": {NAME: "theirs", "more": "words"}, "unknown": [1],
    }  # fmt: skip
    document = {"schemaVersion": 2, "annotations": {"a": "b"}, "manifests": [entry]}
    index = LayoutIndex.parse(json.dumps(document).encode())

    index.name("ours", one("ours"))
    after = json.loads(index.encode())

    assert after["annotations"] == {"a": "b"}
    assert after["manifests"][0] == entry
    assert after["manifests"][1]["annotations"] == {NAME: "ours"}


@given(st.lists(st.tuples(names, descriptors)), st.lists(descriptors))
def test_a_name_has_the_last_manifest_that_was_given_it(
    given_names: list[tuple[str, Descriptor]], kept: list[Descriptor]
) -> None:
    index = LayoutIndex()
    for name, descriptor in given_names:
        index.name(name, descriptor)
    for descriptor in kept:
        index.keep(descriptor)
    again = LayoutIndex.parse(index.encode())

    last = dict(given_names)
    assert set(again.names) == last.keys()
    assert {name: again.find(name) for name in last} == last
    listed = {d.digest for d in last.values()} | {d.digest for d in again.manifests}
    assert listed >= {d.digest for d in kept}


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"[]", b'"x"', b'{"manifests": 1}', b'{"manifests": [1]}', b'{"manifests": [{}]}',
     b'{"manifests": [{"digest": "x", "size": 1}]}',
     b'{"manifests": [{"digest": "sha256:%s", "size": "x"}]}' % (b"0" * 64),
     b'{"manifests": [{"digest": "sha256:%s", "size": 1, "annotations": 7}]}' % (b"0" * 64)],
)  # fmt: skip
def test_what_is_no_index_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidManifest, match=r"index\.json"):
        LayoutIndex.parse(content)


def test_entries_that_share_a_name_stay_until_it_is_given_to_another() -> None:
    shared = [
        {"mediaType": OCI_MANIFEST, "digest": str(Digest.of(text)), "size": 1,
         "annotations": {NAME: "shared"}} for text in (b"x", b"y")
    ]  # fmt: skip
    index = LayoutIndex.parse(json.dumps({"manifests": shared}).encode())

    index.name("other", one("z"))
    assert json.loads(index.encode())["manifests"][:2] == shared
    index.name("shared", one("z"))
    assert index.names == ("other", "shared")
    assert index.find("shared") == one("z")


def test_what_was_only_kept_goes_when_another_names_it() -> None:
    index = LayoutIndex()
    index.keep(one("child"))
    index.keep(one("child"))
    index.keep(one("signature"))

    index.release(one("child"))
    index.name("1", one("signature"))

    assert index.manifests == (one("signature"),)
