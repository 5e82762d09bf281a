"""Where redirects may lead, and with what."""

from collections.abc import AsyncIterator

import pytest

from mirror.errors import RegistryError
from mirror.wire.message import Reply, Request
from mirror.wire.redirect import follow, origin

LOGIN = {"Authorization": "Bearer secret", "Range": "bytes=5-"}


def led(here: str, there: str) -> Request:
    return follow(Request("GET", here, LOGIN), Reply(307, here, {"Location": there}))


@pytest.mark.parametrize(
    ("here", "there"),
    [("https://r.io/x", "https://r.io/y?z=1"), ("https://r.io/x", "https://r.io:443/y"),
     ("https://r.io/x", "/y")],
)  # fmt: skip
def test_the_login_is_taken_along_to_the_same_origin(here: str, there: str) -> None:
    assert led(here, there).headers == LOGIN


@pytest.mark.parametrize(
    ("here", "there"),
    [("https://r.io/x", "https://cdn.io/y"), ("https://r.io/x", "https://r.io:444/y"),
     ("https://r.io/x", "https://a.r.io/y"), ("http://r.io/x", "https://r.io/y"),
     ("https://r.io/x", "//cdn.io/y")],
)  # fmt: skip
def test_the_login_stays_behind_when_the_origin_changes(here: str, there: str) -> None:
    assert led(here, there).headers == {"Range": "bytes=5-"}


def test_the_query_is_kept_byte_for_byte() -> None:
    signed = "https://cdn.io/b?X-Sig=a%2Fb%3D&y=+%20"

    assert led("https://r.io/x", signed).url == signed


@pytest.mark.parametrize(
    ("here", "there"),
    [("https://r.io/x", "http://cdn.io/y"), ("https://r.io/x", "https://127.0.0.1/y"),
     ("https://r.io/x", "https://169.254.169.254/y"), ("https://r.io/x", "https://10.0.0.1/y"),
     ("https://r.io/x", "https://[::1]/y"), ("https://r.io/x", "https://localhost/y"),
     ("https://r.io/x", "ftp://cdn.io/y"), ("https://r.io/x", "https://[::1/y"),
     ("https://r.io/x", "https://r.io:99999/"), ("https://r.io/x", "")],
)  # fmt: skip
def test_where_a_redirect_must_not_lead(here: str, there: str) -> None:
    with pytest.raises(RegistryError):
        led(here, there)


def test_a_registry_inside_may_lead_to_storage_inside() -> None:
    assert led("http://10.0.0.1:5000/x", "http://10.0.0.2/y").url == "http://10.0.0.2/y"


def test_a_redirect_without_an_address_is_an_error() -> None:
    with pytest.raises(RegistryError, match="307 without an address"):
        follow(Request("GET", "https://r.io/x"), Reply(307, "https://r.io/x"))


async def _stream() -> AsyncIterator[bytes]:
    yield b"spent"


def test_a_stream_is_not_sent_twice() -> None:
    request = Request("PUT", "https://r.io/x", body=_stream(), length=5)

    with pytest.raises(RegistryError, match="only once"):
        follow(request, Reply(307, "https://r.io/x", {"Location": "/y"}))


def test_a_body_is_for_the_registry_and_nobody_else() -> None:
    request = Request("POST", "https://r.io/token", {}, b"refresh_token=secret")
    here = Reply(307, "https://r.io/token", {"Location": "https://evil.io/"})

    with pytest.raises(RegistryError, match=r"evil\.io with a body"):
        follow(request, here)
    back = Reply(307, "https://r.io/token", {"Location": "/token2"})
    assert follow(request, back).body == b"refresh_token=secret"


def test_an_origin_knows_its_default_port() -> None:
    assert origin("https://r.io/x") == origin("https://r.io:443/y") != origin("http://r.io/x")
