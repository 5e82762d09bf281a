"""Lists from registries and proxies that are not careful: whole, or a failure that says so."""

import json

import pytest
from multidict import CIMultiDict

from mirror.demo.fault import Fault
from mirror.demo.server import EmbeddedRegistry
from mirror.events import Status
from tests.conftest import Copy
from tests.engine.test_copying import simple

TAGS = [f"t{number:03}" for number in range(150)]


def first_page(tags: list[str] | None, *links: str) -> Fault:
    """Answer the first question for tags with these, and with Link header lines."""
    body = json.dumps({"name": "a", "tags": tags}).encode()
    headers = CIMultiDict([("Content-Type", "application/json"), *(("Link", one) for one in links)])
    return Fault("GET", "/a/tags/list", 200, headers, body)


@pytest.fixture
def filled(source: EmbeddedRegistry) -> EmbeddedRegistry:
    for tag in TAGS:
        simple(source, "a", tag)
    return source


@pytest.mark.parametrize(
    "links",
    [
        ['</help>; rel="help"', '</v2/a/tags/list?n=100&last=t099>; rel="next"'],
        ['</help>; rel="help", </v2/a/tags/list?n=100&last=t099>; rel="prefetch next"'],
        ['</v2/other/tags/list?n=100&last=t099>; rel="next"'],
    ],
    ids=["two lines", "two relations", "another repository"],
)
async def test_every_tag_arrives_however_the_next_page_is_named(
    filled: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, links: list[str]
) -> None:
    filled.faults.append(first_page(TAGS[:100], *links))

    result = await mirrored("S/a=T/a")

    assert result.statuses == {Status.COPIED: 150}
    assert target.store.tags("a") == TAGS
    assert not any("other" in asked.path for asked in filled.log)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (first_page(TAGS[:100], '</v2/a/tags/list?next=x>; rel="next"'), "names nothing"),
        (first_page(TAGS[:100], '</elsewhere?next=x>; rel="next"'), "outside of itself"),
        (first_page(TAGS[:100], "<" * 20_000), "more than 16384 bytes"),
    ],
)
async def test_a_list_that_cannot_be_read_to_its_end_fails_its_mapping(
    filled: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, fault: Fault, said: str
) -> None:
    nothing = first_page(None)
    nothing.path = "next=x"
    filled.faults += [fault, nothing]

    (failed,) = (await mirrored("S/a=T/a")).failures

    assert said in str(failed.error)
    assert target.store.names() == []
