"""All clients of a run: what they share, what each may do, and how far each is trusted."""

import ssl
from collections.abc import AsyncIterator

import pytest
import trustme
from aiohttp import web

from mirror.auth.keychain import Keychain
from mirror.demo.server import EmbeddedRegistry, TokenIssuer
from mirror.errors import Untrusted
from mirror.image.reference import Registry, Repository
from mirror.options import Options, RegistryOptions
from mirror.place import Side
from mirror.registry.clients import RegistryClients
from tests.conftest import Hurry

SOURCE, DESTINATION = Side
A, B, C = (Repository.parse(f"{host}.io/x") for host in "abc")


def clients(options: Options | None = None, *, writes: bool = True) -> RegistryClients:
    backoff = Hurry().backoff(0)
    chosen = options or Options()
    return RegistryClients(chosen, lambda _: None, Keychain(), backoff=backoff, writes=writes)


async def test_clients_are_let_go_when_there_are_a_thousand() -> None:
    made = clients()
    first, *others = (Repository(A.registry, f"x{number}") for number in range(1001))
    kept = made.client(first, SOURCE)
    for other in others:
        assert made.client(first, SOURCE) is kept
        assert made.client(other, SOURCE) is not kept

    assert made.client(first, SOURCE) is not kept


async def test_a_reading_is_one_for_several_only_with_several_destinations() -> None:
    made, shared = clients(), list[bool]()
    for repository in (B, Repository(B.registry, "y"), C):
        shared.append(made.client(A, SOURCE).shares)
        made.client(repository, DESTINATION)

    assert shared == [False] * 3
    assert made.client(A, SOURCE).shares


@pytest.mark.parametrize(
    ("side", "writes", "actions"),
    [(SOURCE, True, "pull"), (DESTINATION, True, "pull%2Cpush"), (DESTINATION, False, "pull"),
     (None, True, "delete%2Cpull%2Cpush")],
)  # fmt: skip
async def test_a_token_is_asked_for_what_is_going_to_be_done(
    target: EmbeddedRegistry, side: Side | None, writes: bool, actions: str
) -> None:
    target.tokens = TokenIssuer(99)
    repository = Repository(Registry(target.host), "a")
    async with clients(writes=writes) as made:
        await (made.client(repository, side) if side else made.deleting(repository)).exists()

    asked = [one.path for one in target.log if one.path.startswith("/token")]
    assert asked == [f"/token?service=embedded&scope=repository%3Aa%3A{actions}"]


@pytest.fixture
async def untrusted() -> AsyncIterator[Repository]:
    """A repository behind a certificate that nothing vouches for."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(text='{"tags": []}')

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    yield Repository(Registry(f"127.0.0.1:{runner.addresses[0][1]}"), "a")
    await runner.cleanup()


@pytest.mark.parametrize(
    ("insecure", "own", "side", "taken"),
    [(SOURCE, None, SOURCE, True), (SOURCE, None, DESTINATION, False),
     (DESTINATION, None, DESTINATION, True), (DESTINATION, None, SOURCE, False),
     (None, True, SOURCE, True), (SOURCE, False, SOURCE, False)],
)  # fmt: skip
async def test_a_certificate_counts_unless_that_side_or_that_registry_is_insecure(
    untrusted: Repository, insecure: Side | None, own: bool | None, side: Side, taken: bool
) -> None:
    options = Options(
        insecure_source=insecure is SOURCE,
        insecure_destination=insecure is DESTINATION,
        registries={untrusted.registry.host: RegistryOptions(insecure=own)},
    )
    async with clients(options) as made:
        try:
            found = await made.client(untrusted, side).exists()
        except Untrusted:
            found = False
    assert found is taken
