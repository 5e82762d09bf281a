"""Lists of referrers that several add to."""

import json

from hypothesis import given
from hypothesis import strategies as st

from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, Manifest
from mirror.image.referrers_index import merged

SUBJECT = Digest.of(b"subject")


def page(*names: str) -> bytes:
    entries = [
        {
            "mediaType": OCI_MANIFEST,
            "digest": str(Digest.of(name.encode())),
            "size": 9,
            "artifactType": f"application/{name}",
        }
        for name in names
    ]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}).encode()


def entries(content: bytes | None) -> list[str]:
    assert content is not None
    return [one["artifactType"] for one in json.loads(content)["manifests"]]


def test_a_merged_list_has_what_was_there_as_it_was_and_what_is_new() -> None:
    before = json.loads(page("a", "b"))
    before["annotations"] = {"kept": "as it is"}
    before["manifests"][0]["unknown"] = [1]
    more = Manifest.parse(page("b", "c"), OCI_INDEX).manifests

    after = json.loads(merged(json.dumps(before).encode(), more) or b"")

    assert after["annotations"] == before["annotations"]
    assert after["manifests"][:2] == before["manifests"]
    assert [one["artifactType"] for one in after["manifests"]] == [
        "application/a", "application/b", "application/c",
    ]  # fmt: skip


def test_nothing_is_merged_where_nothing_is_new() -> None:
    there = page("a", "b")
    assert merged(there, Manifest.parse(page("b"), OCI_INDEX).manifests) is None


def test_a_new_list_says_of_each_what_its_source_said() -> None:
    listed = {
        "mediaType": OCI_MANIFEST, "digest": str(SUBJECT), "size": 9,
        "artifactType": "application/x", "annotations": {"by": "somebody"},
    }  # fmt: skip
    index = json.dumps({"manifests": [listed]}).encode()

    made = json.loads(merged(None, Manifest.parse(index, OCI_INDEX).manifests) or b"")

    assert made == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [listed]}


@given(st.lists(st.sampled_from("abcdef"), unique=True), st.lists(st.sampled_from("abcdef")))
def test_merging_loses_nothing_and_doubles_nothing(there: list[str], more: list[str]) -> None:
    found = merged(page(*there), Manifest.parse(page(*more), OCI_INDEX).manifests)
    listed = entries(found) if found is not None else entries(page(*there))

    assert sorted(listed) == sorted(f"application/{name}" for name in {*there, *more})
