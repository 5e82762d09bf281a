"""Lists, page by page, from registries of every kind."""

import json
from itertools import repeat
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.wire.listing import Listing, catalog, next_page, tags_of
from mirror.wire.message import Reply

HERE = "https://r.io/v2/app/tags/list?n=1000"
APP = Repository.parse("r.io/app")
PATH = "/v2/app/tags/list"


def reply(link: str = "") -> Reply:
    return Reply(200, HERE, link=link)


def page(*names: str | None) -> bytes:
    return json.dumps({"name": "app", "tags": names}).encode()


def test_a_list_of_one_page_is_over_after_it() -> None:
    listing = tags_of(APP)
    assert listing.request().url == "/v2/app/tags/list?n=1000"

    assert listing.page(reply(), page("a", "b")) == ("a", "b")
    assert listing.over


@pytest.mark.parametrize(
    "link",
    ['</v2/app/tags/list?last=b&n=2>; rel="next"',
     '<https://r.io/v2/app/tags/list?last=b&n=2>; rel="next"',
     "<?last=b&n=2>;rel=next",
     '<list?last=b&n=2>; title="x"; rel="next"',
     '</v2/x>; rel="prev", </v2/app/tags/list?last=b&n=2>; rel="next"',
     '</help>; rel="help", </v2/app/tags/list?last=b&n=2>; rel="prefetch Next"',
     '</v2/app/tags/list?last=b&n=2>; title="a, <b>; rel=up"; rel=next',
     '</v2/other/tags/list?n=2&last=b>; rel="next"',
     '</proxy/v2/app/tags/list?n=2&last=b>; rel="next"'],
)  # fmt: skip
def test_the_next_page_is_where_the_link_says(link: str) -> None:
    listing = tags_of(APP)
    listing.page(reply(link), page("a", "b"))

    assert not listing.over
    asked = urlsplit(listing.request().url)
    assert (asked.path, parse_qs(asked.query)) == (PATH, {"last": ["b"], "n": ["2"]})
    assert listing.page(reply(), page("c")) == ("c",)
    assert listing.over


@pytest.mark.parametrize("link", ["", "nonsense", "<x>", '</v2/x>; rel="prev"'])
def test_what_leads_nowhere_is_the_end(link: str) -> None:
    assert next_page(reply(link), PATH) is None


@pytest.mark.parametrize(
    "content", [b'{"tags": null}', b'{"tags": []}', b"{}", b'{"tags": [null, ""]}']
)
def test_an_empty_list_has_many_spellings(content: bytes) -> None:
    assert tags_of(APP).page(reply(), content) == ()


@pytest.mark.parametrize("link", ["https://evil.io/x", "https://[::1/x", "https://r.io:99999/x"])
def test_a_list_that_goes_on_where_it_cannot_is_an_error_and_not_the_end(link: str) -> None:
    with pytest.raises(RegistryError):
        next_page(reply(f'<{link}>; rel="next"'), PATH)


@pytest.mark.parametrize("link", ["</v2/other/tags/list?next_page=x>", "</v2/_catalog>", "</>"])
def test_a_list_that_goes_on_outside_of_itself_is_not_followed_there(link: str) -> None:
    with pytest.raises(RegistryError, match="outside of itself"):
        next_page(reply(f'{link}; rel="next"'), PATH)


@pytest.mark.parametrize("content", [b'{"tags": null}', b"{}", b'{"errors": []}'])
def test_nothing_at_the_address_of_the_next_page_is_an_error_and_not_the_end(
    content: bytes,
) -> None:
    listing = tags_of(APP)
    listing.page(reply("<?last=a>; rel=next"), page("a"))

    with pytest.raises(RegistryError, match="names nothing"):
        listing.page(reply(), content)


def test_nothing_after_a_full_page_is_the_end() -> None:
    listing = tags_of(APP)
    listing.page(reply(), page(*(f"t{n}" for n in range(1000))))

    assert listing.page(reply(), b'{"tags": null}') == ()
    assert listing.over


def test_links_without_an_end_are_an_error() -> None:
    with pytest.raises(RegistryError, match="more than 16384 bytes"):
        next_page(reply("<" * 65_000), PATH)


def test_a_full_page_without_a_link_is_asked_on() -> None:
    listing = tags_of(APP)
    listing.page(reply(), page(*(f"t{n}" for n in range(1000))))

    assert listing.request().url == "/v2/app/tags/list?n=1000&last=t999"
    assert listing.page(reply(), page()) == ()
    assert listing.over


def test_a_registry_that_refuses_to_limit_pages_is_asked_for_all() -> None:
    listing = tags_of(APP)

    assert listing.refused(Reply(400, HERE))
    assert listing.request().url == "/v2/app/tags/list"
    assert not listing.refused(Reply(400, HERE))
    assert not tags_of(APP).refused(Reply(404, HERE))


def test_a_catalog_lists_repositories() -> None:
    listing = catalog()
    assert listing.request().url == "/v2/_catalog?n=1000"
    assert listing.page(reply(), b'{"repositories": ["a", "b/c"]}') == ("a", "b/c")


def test_a_page_that_brings_nothing_new_is_the_last() -> None:
    listing = tags_of(APP)
    listing.page(reply("<?last=b>; rel=next"), page("a", "b"))

    assert listing.page(reply("<?last=c>; rel=next"), page("b", "a")) == ()
    assert listing.over


def test_a_page_asked_for_before_is_not_asked_for_again() -> None:
    listing = tags_of(APP)
    listing.page(reply("<?last=b>; rel=next"), page("a"))
    listing.page(reply("<?last=b>; rel=next"), page("b"))

    assert listing.over


@pytest.mark.parametrize(
    "content", [b"<html>", b"", b"[]", b'{"tags": "x"}', b'{"tags": [1]}', b"[" * 200_000]
)
def test_what_is_no_page_is_an_error(content: bytes) -> None:
    with pytest.raises(RegistryError, match="instead of a list"):
        tags_of(APP).page(Reply(200, HERE, {"Content-Type": "text/html"}), content)


@given(st.lists(st.lists(st.sampled_from("abcdef")), max_size=20), st.sampled_from("12"))
def test_every_sequence_of_pages_comes_to_an_end(pages: list[list[str]], last: str) -> None:
    listing: Listing = tags_of(APP)
    names: list[str] = []
    for content in pages:
        if listing.over:
            break
        names += listing.page(reply(f"<?last={last}{len(names)}>; rel=next"), page(*content))

    assert len(names) == len(set(names)) <= 6


def test_googles_registries_say_what_each_tag_names() -> None:
    digest, listing = f"sha256:{'a' * 64}", tags_of(APP)
    media_type = "application/vnd.oci.image.index.v1+json"
    content = {
        "tags": ["1", "latest", "2"],
        "manifest": {
            digest: {"tag": ["1", "latest"], "mediaType": media_type, "imageSizeBytes": "7"},
            "sha256:short": {"tag": ["2"]},
        },
    }
    listing.page(reply(), json.dumps(content).encode())

    described = Descriptor(Digest.parse(digest), 0, media_type)
    assert listing.described == {"1": described, "latest": described}


@pytest.mark.parametrize("said", [b"[]", b"null", b'{"sha256:x": 1}', b'{"sha256:x": {"tag": 1}}'])
def test_what_cannot_be_read_beside_the_tags_is_left_out(said: bytes) -> None:
    listing = tags_of(APP)

    assert listing.page(reply(), b'{"tags": ["1"], "manifest": %b}' % said) == ("1",)
    assert listing.described == {}


def test_a_list_may_begin_late() -> None:
    assert tags_of(APP).request().slow
    assert catalog().request().slow


def test_an_empty_page_is_not_the_last_if_it_says_where_the_next_one_is() -> None:
    listing, found = tags_of(APP), list[str]()
    for number, names in enumerate((["a"], [], [], ["b"])):
        link = f'</v2/app/tags/list?last={number}>; rel="next"' if number < 3 else ""
        found += listing.page(reply(link), page(*names))

    assert found == ["a", "b"]
    assert listing.over


def test_a_list_of_nothing_but_empty_pages_is_an_error() -> None:
    listing = tags_of(APP)

    links = (reply(f'</v2/app/tags/list?last={number}>; rel="next"') for number in range(1000))

    with pytest.raises(RegistryError, match="names nothing"):
        list(map(listing.page, links, repeat(page())))
