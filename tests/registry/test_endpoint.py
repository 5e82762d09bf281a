"""Finding a registry's address: https first, plain http only where it is no danger."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from mirror.errors import NetworkError, Untrusted
from mirror.image.reference import Registry
from mirror.registry.endpoint import Endpoint
from mirror.wire.message import Reply, Request


class Network:
    """Answers at the addresses it has, and nowhere else."""

    def __init__(self, *addresses: str) -> None:
        self.addresses = addresses
        self.asked: list[str] = []

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        self.asked.append(request.url)
        if not request.url.startswith(self.addresses):
            raise NetworkError("nobody there")
        yield Reply(200, request.url)


async def address(network: Network, host: str, *, insecure: bool = False) -> str:
    endpoint = Endpoint(Registry(host), network.send, insecure=insecure)
    async with endpoint.ask(Request("GET", f"{await endpoint.address()}/v2/x")) as reply:
        return reply.url


async def test_https_comes_first() -> None:
    network = Network("https://r.io", "http://r.io")

    assert await address(network, "r.io") == "https://r.io/v2/x"
    assert network.asked == ["https://r.io/v2/", "https://r.io/v2/x"]


async def test_docker_hub_is_asked_where_it_serves() -> None:
    network = Network("https://registry-1.docker.io")

    assert await address(network, "docker.io") == "https://registry-1.docker.io/v2/x"


@pytest.mark.parametrize(
    ("host", "insecure"), [("localhost:5000", False), ("127.0.0.1:5000", False), ("r.io", True)]
)
async def test_plain_http_is_tried_for_loopback_or_where_it_was_asked_for(
    host: str, insecure: bool
) -> None:
    assert await address(Network(f"http://{host}"), host, insecure=insecure) == (
        f"http://{host}/v2/x"
    )


async def test_plain_http_is_never_tried_elsewhere() -> None:
    network = Network("http://r.io")

    with pytest.raises(NetworkError):
        await address(network, "r.io")
    assert network.asked == ["https://r.io/v2/"]


async def test_a_certificate_that_proves_nothing_is_no_reason_for_plain_http() -> None:
    class Impostor(Network):
        @asynccontextmanager
        async def send(self, request: Request) -> AsyncIterator[Reply]:
            self.asked.append(request.url)
            raise Untrusted("not trusted")
            yield Reply(200, request.url)

    network = Impostor()
    with pytest.raises(Untrusted):
        await address(network, "localhost")
    assert network.asked == ["https://localhost/v2/"]


async def test_what_both_schemes_said_is_told() -> None:
    with pytest.raises(NetworkError, match=r"nobody there \(and over https: nobody there\)"):
        await address(Network("http://elsewhere"), "localhost")


async def test_a_registry_that_is_not_there_is_asked_once() -> None:
    network = Network("https://elsewhere")
    endpoint = Endpoint(Registry("r.io"), network.send, insecure=False)
    for _ in range(3):
        with pytest.raises(NetworkError, match="nobody there"):
            async with endpoint.ask(Request("GET", f"{await endpoint.address()}/v2/x")):
                pass

    assert network.asked == ["https://r.io/v2/"]


async def test_an_absolute_address_is_taken_as_it_is() -> None:
    network = Network("https://up.io")
    endpoint = Endpoint(Registry("r.io"), network.send, insecure=False)
    async with endpoint.ask(Request("PUT", "https://up.io/x")) as reply:
        assert reply.url == "https://up.io/x"
