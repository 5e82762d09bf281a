"""What refers to a manifest, in every way in which registries have it."""

import pytest

from mirror.errors import InvalidManifest, RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, OCI_MANIFEST, Descriptor
from mirror.image.reference import Repository
from mirror.wire.message import Reply
from mirror.wire.referrers import Fallback, Referrers
from tests.image.test_referrers_index import page

HERE = Repository.parse("r.io/team/app")
SUBJECT = Digest.of(b"subject")
LIST = f"/v2/team/app/referrers/{SUBJECT}"
TAG = f"/v2/team/app/manifests/sha256-{SUBJECT.hex}"


def reply(status: int, url: str = LIST, media_type: str = OCI_INDEX, link: str = "") -> Reply:
    return Reply(status, f"https://r.io{url}", {"Content-Type": media_type}, link=link)


def names(asking: Referrers) -> list[str]:
    return [one.artifact_type.removeprefix("application/") for one in asking.found.values()]


def test_a_list_is_read_page_by_page() -> None:
    asking = Referrers(HERE, SUBJECT)

    assert asking.request().url == LIST
    assert asking.answered(reply(200, link=f'<{LIST}?last=x>; rel="next"'), page("a", "b"))
    assert asking.request().url == f"https://r.io{LIST}?last=x"
    assert asking.answered(reply(200), page("b", "c"))

    assert asking.over
    assert asking.listed
    assert names(asking) == ["a", "b", "c"]


def test_a_registry_that_sends_the_same_page_for_ever_is_asked_once_more() -> None:
    asking = Referrers(HERE, SUBJECT)
    again = reply(200, link=f'<{LIST}?n=1>; rel="next"')
    asking.request()
    asking.answered(again, page("a"))
    asking.request()
    asking.answered(again, page("a"))

    assert asking.over


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        (reply(404), b""),
        (reply(400), b""),
        (reply(405), b""),
        (reply(406), b""),
        (reply(200, media_type="text/html"), b"<html>"),
        (reply(200, media_type="application/json"), b'{"tags": []}'),
        (Reply(429, "https://github.com/x", {}, redirected=True), b""),
    ],
)
def test_without_a_list_the_tag_that_stands_for_it_is_read(answer: Reply, content: bytes) -> None:
    asking = Referrers(HERE, SUBJECT)
    asking.request()

    assert asking.answered(answer, content)
    assert not asking.listed
    assert asking.request().url == TAG
    assert asking.answered(reply(200, TAG), page("a"))
    assert asking.over
    assert names(asking) == ["a"]


def test_who_is_known_to_have_no_lists_is_asked_for_the_tag_at_once() -> None:
    asking = Referrers(HERE, SUBJECT, listed=False)

    assert asking.request().url == TAG
    assert asking.answered(reply(404, TAG), b"")
    assert (asking.over, asking.found) == (True, {})


def test_a_page_that_is_missing_is_not_the_end_of_the_list() -> None:
    asking = Referrers(HERE, SUBJECT)
    asking.request()
    asking.answered(reply(200, link=f'<{LIST}?n=2>; rel="next"'), page("a"))
    asking.request()

    assert not asking.answered(reply(404), b"")


def test_nothing_at_the_address_of_the_next_page_is_not_the_end_of_the_list() -> None:
    asking = Referrers(HERE, SUBJECT)
    asking.request()
    asking.answered(reply(200, link=f'<{LIST}?n=2>; rel="next"'), page("a"))
    asking.request()

    with pytest.raises(RegistryError, match="names nothing"):
        asking.answered(reply(200), b'{"schemaVersion": 2, "manifests": null}')


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_refusal_is_not_an_empty_list(status: int) -> None:
    asking = Referrers(HERE, SUBJECT)
    asking.request()

    assert not asking.answered(reply(status), b"")


def test_a_tag_with_something_else_behind_it_is_told_apart() -> None:
    asking = Referrers(HERE, SUBJECT, listed=False)
    asking.request()
    content = b'{"schemaVersion": 2, "layers": []}'

    assert asking.answered(reply(200, TAG, OCI_MANIFEST), content)
    assert asking.alone == Descriptor(Digest.of(content), len(content), OCI_MANIFEST)
    assert not asking.found


def test_a_tag_with_no_manifest_behind_it_is_an_error() -> None:
    asking = Referrers(HERE, SUBJECT, listed=False)
    asking.request()
    with pytest.raises(InvalidManifest):
        asking.answered(reply(200, TAG), b"[")


def test_the_subject_itself_is_no_list_of_what_refers_to_it() -> None:
    content = page("a", "b")
    subject = Digest.of(content)
    listing = Referrers(HERE, subject, fallback=Fallback.BESIDES)
    listing.request()
    assert listing.answered(reply(200), content)  # a registry that answers anything
    listing.request()
    assert listing.answered(reply(200), content)  # a tag that is another name of the image

    assert listing.over
    assert not listing.listed
    assert not listing.found
    assert listing.alone is None


def test_a_tag_is_read_beside_the_list_where_there_is_one() -> None:
    asking = Referrers(HERE, SUBJECT, fallback=Fallback.BESIDES)
    asking.request()
    asking.answered(reply(200), page("a", "b"))
    assert asking.request().url == TAG
    asking.answered(reply(200), page("b", "c"))

    assert asking.over
    assert asking.listed
    assert names(asking) == ["a", "b", "c"]


def test_a_tag_that_is_known_not_to_be_there_is_not_read() -> None:
    asking = Referrers(HERE, SUBJECT, fallback=Fallback.ABSENT)
    asking.request()
    asking.answered(reply(404), b"")

    assert asking.over
    assert Referrers(HERE, SUBJECT, listed=False, fallback=Fallback.ABSENT).over


def test_what_names_itself_does_not_refer_to_itself() -> None:
    asking = Referrers(HERE, SUBJECT)
    asking.request()
    asking.answered(reply(200), page("subject", "a"))

    assert names(asking) == ["a"]
