"""Lists that come page by page: to their end, or as far as one page."""

import json
from functools import partial

import pytest

from mirror.errors import MirrorError, RegistryError
from mirror.image.reference import Registry, Repository
from mirror.registry.pagination import names, repositories
from mirror.wire.listing import tags_of
from mirror.wire.message import Reply
from tests.registry.scripted import Scripted, answer


def page(kind: str, *found: str, last: bool = False) -> Reply:
    link = "" if last else f'<?last={found[-1]}>; rel="next"'
    return answer(200, json.dumps({kind: found}).encode(), link=link)


tags, catalog = partial(page, "tags"), partial(page, "repositories")


@pytest.mark.parametrize(
    ("answers", "listed"),
    [([tags("1", "2"), tags("3"), tags("4", last=True)], ("1", "2", "3", "4")),
     ([answer(400), tags("1", last=True)], ("1",)),
     ([tags("1"), answer(404)], "404"), ([tags("1"), answer(400)], "400"),
     ([tags("1"), answer(200, b"<p>", content_type="text/html")], "web page")],
)  # fmt: skip
async def test_tags_are_listed_to_the_last_page(answers: list[Reply], listed: object) -> None:
    registry = Scripted(*answers)
    try:
        found = (await names(registry.send, tags_of(Repository.parse("r.io/a")))).names
    except MirrorError as error:
        assert isinstance(listed, str)
        assert listed in error.message
    else:
        assert found == listed
    assert (len(registry.asked), registry.open) == (len(answers), 0)


async def test_a_catalog_comes_one_page_at_a_time() -> None:
    registry, here = Scripted(catalog("a", "b"), catalog("c", last=True)), Registry("r.io")

    first = await repositories(registry.send, here)
    assert (first.names, len(registry.asked)) == (("a", "b"), 1)
    assert first.rest is not None
    second = await repositories(registry.send, here, first.rest)

    assert (second.names, second.rest) == (("c",), None)
    assert registry.asked[1].url == "https://r.io/v2/?last=b"


@pytest.mark.parametrize(
    ("host", "status", "hint"),
    [("docker.io", 401, "docker.io does not list"), ("r.io", 500, "own log may say more")],
)
async def test_a_refused_catalog_says_what_to_do_instead(host: str, status: int, hint: str) -> None:
    with pytest.raises(RegistryError) as caught:
        await repositories(Scripted(answer(status)).send, Registry(host))

    assert hint in caught.value.hint
    assert str(caught.value).startswith(f"source {host}: listing the repositories: {status}")
