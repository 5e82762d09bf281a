"""Tokens, by a clock that is set and a server that is a list of answers."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

import anyio
import pytest

from mirror.auth.challenge import Challenge
from mirror.auth.credential import Credential
from mirror.auth.scope import Scope
from mirror.auth.token import Tokens, read_token
from mirror.errors import Denied, NetworkError, RegistryError
from mirror.wire.message import Reply, Request

BASE = "https://r.io"
BEARER = Challenge("bearer", {"realm": "https://auth.io/token", "service": "r.io"})
PUSH = (Scope.push("app"),)
MOUNT = (Scope.push("app"), Scope.pull("base"))
ME = Credential("me", "secret")


class Server:
    """Gives numbered tokens, after the answers it was told to give first."""

    def __init__(self, *answers: tuple[int, bytes], expires_in: float | None = 300) -> None:
        self.asked: list[Request] = []
        self.now = 0.0
        self._answers = list(answers)
        self._expires_in = expires_in

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        self.asked.append(request)
        await anyio.lowlevel.checkpoint()
        given = {"token": f"t{len(self.asked)}", "expires_in": self._expires_in}
        status, body = self._answers.pop(0) if self._answers else (200, json.dumps(given).encode())
        yield Reply(status, request.url, chunks=_chunks(body))

    def tokens(self) -> Tokens:
        return Tokens(self.send, lambda: self.now)

    def scopes(self) -> list[list[str]]:
        return [parse_qs(urlsplit(request.url).query).get("scope", []) for request in self.asked]


async def _chunks(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def test_a_token_is_shared_by_all_who_need_it_at_once() -> None:
    server = Server()
    tokens = server.tokens()
    got: list[str] = []

    async def get() -> None:
        got.append(await tokens.get(BEARER, BASE, PUSH, None))

    async with anyio.create_task_group() as group:
        for _ in range(5):
            group.start_soon(get)

    assert got == ["t1"] * 5
    assert server.scopes() == [["repository:app:pull,push"]]


@pytest.mark.parametrize(
    ("expires_in", "kept_until", "gone_at"), [(300, 239, 241), (2, 47, 49), (None, 47, 49)]
)
async def test_a_token_is_renewed_before_it_runs_out_and_lives_a_minute_at_least(
    expires_in: float | None, kept_until: float, gone_at: float
) -> None:
    server = Server(expires_in=expires_in)
    tokens = server.tokens()
    await tokens.get(BEARER, BASE, PUSH, None)

    server.now = kept_until
    assert await tokens.get(BEARER, BASE, PUSH, None) == "t1"
    server.now = gone_at
    assert await tokens.get(BEARER, BASE, PUSH, None) == "t2"


async def test_more_scopes_make_one_wider_token_that_serves_the_narrower_need_too() -> None:
    server = Server()
    tokens = server.tokens()
    await tokens.get(BEARER, BASE, PUSH, None)

    assert await tokens.get(BEARER, BASE, MOUNT, None) == "t2"
    assert await tokens.get(BEARER, BASE, PUSH, None) == "t2"


async def test_a_forgotten_token_is_fetched_anew() -> None:
    server = Server()
    tokens = server.tokens()
    tokens.forget(await tokens.get(BEARER, BASE, PUSH, None))

    assert await tokens.get(BEARER, BASE, PUSH, None) == "t2"


async def test_different_users_have_different_tokens() -> None:
    server = Server()
    tokens = server.tokens()

    assert await tokens.get(BEARER, BASE, PUSH, ME) == "t1"
    assert await tokens.get(BEARER, BASE, PUSH, None) == "t2"
    assert server.asked[0].headers == {"Authorization": ME.basic}
    assert server.asked[1].headers == {}


async def test_an_identity_token_is_exchanged_in_a_form() -> None:
    server = Server()
    identity = Credential(identity_token="id")
    await server.tokens().get(BEARER, BASE, MOUNT, identity)
    (request,) = server.asked

    assert (request.method, request.url) == ("POST", "https://auth.io/token")
    assert isinstance(request.body, bytes)
    assert parse_qs(request.body.decode()) == {
        "grant_type": ["refresh_token"], "service": ["r.io"], "client_id": ["oci-mirror"],
        "scope": ["repository:app:pull,push repository:base:pull"], "refresh_token": ["id"],
    }  # fmt: skip


async def test_a_server_that_exchanges_nothing_is_asked_the_other_way() -> None:
    server = Server((404, b""))
    identity = Credential(identity_token="id")

    assert await server.tokens().get(BEARER, BASE, PUSH, identity) == "t2"
    assert [request.method for request in server.asked] == ["POST", "GET"]


async def test_several_scopes_are_split_where_they_are_refused_and_not_tried_again() -> None:
    server = Server((400, b""))
    tokens = server.tokens()
    await tokens.get(BEARER, BASE, MOUNT, None)
    await tokens.get(BEARER, BASE, (Scope.push("x"), Scope.pull("base")), None)

    assert [len(scopes) for scopes in server.scopes()] == [2, 1, 1]


async def test_a_refused_password_is_tried_once_even_by_many_at_once() -> None:
    server = Server(*[(401, b'{"details": "incorrect"}')] * 9)
    tokens = server.tokens()
    said: list[str] = []

    async def get(name: str) -> None:
        try:
            await tokens.get(BEARER, BASE, (Scope.push(name),), ME)
        except Denied as error:
            said.append(str(error))

    async with anyio.create_task_group() as group:
        for name in "abcde":
            group.start_soon(get, name)

    assert len(server.asked) == 1
    assert said == ["no token for 'me' from auth.io: 401 Unauthorized: incorrect"] * 5


async def test_a_token_server_over_plain_http_is_for_plain_http_registries() -> None:
    challenge = Challenge("bearer", {"realm": "http://auth.io/token"})

    assert await Server().tokens().get(challenge, "http://localhost:5000", PUSH, ME) == "t1"
    with pytest.raises(RegistryError, match="plain http"):
        await Server().tokens().get(challenge, BASE, PUSH, ME)


async def test_a_realm_keeps_its_own_query_and_may_be_relative() -> None:
    server = Server()
    challenge = Challenge("bearer", {"realm": "/jwt/auth?x=1"})
    await server.tokens().get(challenge, BASE, PUSH, None)

    assert server.asked[0].url.startswith("https://r.io/jwt/auth?x=1&scope=")


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"{}", b'{"token": ""}', b"[" * 99_999])
def test_what_is_no_token_is_an_error(content: bytes) -> None:
    with pytest.raises(RegistryError):
        read_token(content, "https://auth.io/token", 0)


@pytest.mark.parametrize(
    "content", [b'{"token": null, "access_token": "x"}', b'{"token": "x", "expires_in": "300"}']
)
def test_tokens_come_in_odd_forms(content: bytes) -> None:
    assert read_token(content, "https://auth.io/token", 0).text == "x"


async def test_an_identity_token_that_is_refused_is_not_replaced_by_nobody() -> None:
    server = Server((401, b""))
    tokens = server.tokens()
    for _ in range(3):
        with pytest.raises(Denied):
            await tokens.get(BEARER, BASE, PUSH, Credential(identity_token="id"))

    assert [request.method for request in server.asked] == ["POST"]


async def test_a_token_server_that_is_not_there_is_left_alone_for_a_while() -> None:
    asked = []

    @asynccontextmanager
    async def send(request: Request) -> AsyncIterator[Reply]:
        asked.append(request)
        raise NetworkError("went silent")
        yield Reply(200, "")

    now = 0.0
    tokens = Tokens(send, lambda: now)
    for name in "abc":
        with pytest.raises(NetworkError, match="went silent"):
            await tokens.get(BEARER, BASE, (Scope.push(name),), ME)
    assert len(asked) == 1

    now = 31.0
    with pytest.raises(NetworkError):
        await tokens.get(BEARER, BASE, PUSH, ME)
    assert len(asked) == 2


def test_a_token_may_have_either_name_and_is_not_shown() -> None:
    token = read_token(b'{"access_token": "hidden"}', "https://auth.io/token", 0)

    assert token.text == "hidden"
    assert "hidden" not in repr(token)
