"""A Send around a Send: show who we are, and answer a 401 once.

The login goes only to the origin of the registry itself.  What a registry asked
for when it was first spoken to counts; later answers are less reliable (Harbor
says Basic to a request with any login, gcr.io says nothing).
"""

from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from types import TracebackType

import anyio

from mirror.auth.challenge import Challenge, choose, parse
from mirror.auth.credential import Credential
from mirror.auth.keychain import Keychain
from mirror.auth.scope import Scope, Scopes, merge
from mirror.auth.token import Tokens
from mirror.errors import Denied, StaleLogin
from mirror.image.reference import Repository
from mirror.place import Side
from mirror.registry.endpoint import Endpoint
from mirror.wire.message import Reply, Request
from mirror.wire.redirect import origin


class Authorizing:
    """One registry, as one side of a copy logs in there."""

    def __init__(
        self,
        endpoint: Endpoint,
        tokens: Tokens,
        keychain: Keychain,
        side: Side,
        *,
        one_scope: bool = False,
    ) -> None:
        self._endpoint = endpoint
        self._tokens = tokens
        self._keychain = keychain
        self._side = side
        self._one_scope = one_scope
        self._proven: set[Credential] = set()
        self._refused: set[Credential] = set()
        self._proving = anyio.Lock()

    def send(self, request: Request, repository: Repository, scope: Scope) -> "_Authorized":
        """Send a request that needs this scope; see `mirror.wire.message.Send`.

        A token that is not taken is renewed once.  Raises StaleLogin instead,
        with the new token at hand, if the request cannot be sent again.
        """
        return _Authorized(self, request, repository, scope)

    async def open(
        self, request: Request, repository: Repository, scope: Scope
    ) -> tuple[AbstractAsyncContextManager[Reply], Reply]:
        """Send a request that needs this scope; return the answer, and how to leave it."""
        base = await self._endpoint.address()
        if request.url.startswith("/"):
            url = base + request.url
        elif request.url.startswith(f"{base}/") or origin(request.url) == origin(base):
            url = request.url
        else:
            return await self._endpoint.open(request)
        scopes = self._scopes(request, scope)
        login = await self._login(repository, scopes)
        if request.lists and not login:
            await self._check_nothing_is_known(repository)
        exchange, reply = await self._endpoint.open(request.at(url, login))
        # What another host says, where a redirect led, is nothing about our login.
        if reply.status != HTTPStatus.UNAUTHORIZED or origin(reply.url) != origin(base):
            return exchange, reply
        try:
            renewed = await self._renew(reply, login, repository, scopes)
        except BaseException:
            await exchange.__aexit__(None, None, None)
            raise
        if renewed is None:
            return exchange, reply
        await exchange.__aexit__(None, None, None)
        if not isinstance(request.body, bytes):
            raise StaleLogin("401 Unauthorized, with the body on its way")
        return await self._endpoint.open(request.at(url, renewed))

    def _scopes(self, request: Request, scope: Scope) -> Scopes:
        if self._one_scope or not request.reads:
            return (scope,)
        return merge((scope, *map(Scope.pull, request.reads)))

    async def _login(self, repository: Repository, scopes: Scopes) -> str:
        """Return the Authorization to send, empty for none.

        A login that is known is shown from the start, with its password where the
        registry has asked for nothing: one that lets strangers in may show them a part
        of its lists, and say of the rest that it is not there.
        """
        credential = await self._keychain.find(repository, self._side)
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        challenge = self._endpoint.challenge
        if challenge is None or challenge.scheme == "basic":
            basic = await self._basic(credential)
            # Only who was shown a login may have said how it wants another one.
            challenge = self._endpoint.challenge
            if challenge is None or challenge.scheme == "basic":
                return basic
        base = await self._endpoint.address()
        return f"Bearer {await self._tokens.get(challenge, base, scopes, credential)}"

    async def _basic(self, credential: Credential | None) -> str:
        """Return the login with a password, which is tried once before many use it."""
        if credential is None or not credential.username:
            return ""
        async with self._proving:
            if credential not in self._proven | self._refused:
                await self._prove(credential)
        if credential in self._refused:
            raise Denied(f"401 Unauthorized: the login of {credential.username!r} is refused")
        return credential.basic

    async def _prove(self, credential: Credential) -> None:
        """Find out whether a password is taken; the registry may say that it wants tokens."""
        url = f"{await self._endpoint.address()}/v2/"
        ping = Request("GET", url, {"Authorization": credential.basic})
        async with self._endpoint.ask(ping) as reply:
            refused = reply.status == HTTPStatus.UNAUTHORIZED
            asked = choose(parse(reply.challenge)) if refused else None
        if self._endpoint.challenge is None and asked is not None and asked.scheme == "bearer":
            self._endpoint.challenge = asked
        else:
            (self._refused if refused else self._proven).add(credential)

    async def _check_nothing_is_known(self, repository: Repository) -> None:
        """Raise Denied where a list would be read without the login that is known for it."""
        if await self._keychain.find(repository, self._side) is not None:
            raise Denied(
                "the login that is known cannot be shown here, as the registry asks for none",
                hint="A list that is read without it may be a part. Give a user with a password, "
                "by --src-creds or --dest-creds.",
            )

    async def _renew(
        self, reply: Reply, login: str, repository: Repository, scopes: Scopes
    ) -> str | None:
        """Return another Authorization to try after this 401, if there is one."""
        asked = choose(parse(reply.challenge))
        known = self._endpoint.challenge
        challenge = known or asked
        if challenge is None:
            return None
        self._endpoint.challenge = challenge
        credential = await self._keychain.find(repository, self._side)
        unasked = known is None and challenge.scheme == "bearer"
        if login.startswith("Basic ") and not unasked:
            return None  # it is what it is, and would be refused again
        if login and credential and credential.registry_token:
            return None
        self._tokens.forget(login.removeprefix("Bearer "))
        wider = merge((*scopes, *_stated(asked)))
        renewed = await self._login(repository, wider)
        return renewed or None


class _Authorized:
    """A request with a login; its answer can be read in the block."""

    __slots__ = ("_authorizing", "_exchange", "_request")

    def __init__(
        self, authorizing: Authorizing, request: Request, repository: Repository, scope: Scope
    ) -> None:
        self._authorizing = authorizing
        self._request = request, repository, scope
        self._exchange: AbstractAsyncContextManager[Reply]

    async def __aenter__(self) -> Reply:
        self._exchange, reply = await self._authorizing.open(*self._request)
        return reply

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._exchange.__aexit__(kind, error, trace)


def _stated(challenge: Challenge | None) -> Scopes:
    """Return the scopes that a registry says are missing, as far as they can be read."""
    found = []
    for text in challenge.scopes if challenge is not None else ():
        try:
            found.append(Scope.parse(text))
        except ValueError:
            continue
    return tuple(found)
