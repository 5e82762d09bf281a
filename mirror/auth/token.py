"""Access tokens: asked for, read, kept while they last, shared by all who need the same.

Docker's token specification: a GET with the scopes, or the OAuth2 form where
there is an identity token to exchange.
"""

import math
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

import anyio
import msgspec
from msgspec import Struct
from msgspec.structs import replace

from mirror.auth.challenge import Challenge
from mirror.auth.credential import Credential
from mirror.auth.scope import Scope, Scopes, covers, widen
from mirror.errors import Denied, MirrorError, NetworkError, RegistryError
from mirror.wire.address import join
from mirror.wire.error_response import failure, one_line
from mirror.wire.message import Reply, Request, Send

# Seconds a token lives when nothing else is said, and at least: the
# specification's own minimum.  Quay leaves the figure out.
_LIFE_FLOOR = 60.0
# Seconds, or the share of its life, before the end of a token when a new one is asked for.
_MARGIN = 10.0
_MARGIN_SHARE = 0.2
# Tokens are a few KiB; more is not a token.
_ANSWER_LIMIT = 64 * 1024
_CLIENT = "oci-mirror"
# What those answer that know of no exchange of identity tokens.
_NO_EXCHANGE = frozenset({400, 404, 405})
# Seconds for which a token server that was not there is not asked again.
_GONE_FOR = 30.0
# What token servers answer to a request for more than one scope that they do not like.
_TOO_MANY = frozenset({400, 403, 404, 414, 431})


class Token(Struct, frozen=True):
    """A token and what it is good for; times are the clock's."""

    text: str
    scopes: Scopes
    received: float
    life: float

    def __repr__(self) -> str:
        return f"Token(received={self.received}, life={self.life})"  # and not what it says

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("received", self.received), ("life", self.life)]

    def fresh(self, now: float) -> bool:
        """Whether it will last for the next request."""
        left = self.received + self.life - now
        return left > max(_MARGIN, self.life * _MARGIN_SHARE)


class _TokenAnswer(Struct):
    token: str | None = None
    access_token: str | None = None
    expires_in: float | str | None = None


_DECODER = msgspec.json.Decoder(_TokenAnswer)
_Login = tuple[str, Credential | None]
_Key = tuple[str, str, Scope | None, Credential | None]


class Tokens:
    """The tokens of one registry.

    One request is sent for those who want the same token at the same time.  A
    login that was refused is not tried again, so that no account is locked.
    """

    def __init__(self, send: Send, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._clock = clock
        self._tokens: dict[_Key, Token] = {}
        self._locks: dict[_Key, anyio.Lock] = {}
        self._single: set[str] = set()
        self._gone: dict[str, tuple[float, str]] = {}
        self._proven: set[_Login] = set()
        self._proving: dict[_Login, anyio.Lock] = {}
        self._refused: dict[_Login, str] = {}

    async def get(
        self, challenge: Challenge, base: str, scopes: Scopes, credential: Credential | None
    ) -> str:
        """Return a token that is good for these scopes, the first of them the one worked on.

        ``base`` is the registry's own address.  Raises Denied if the login or
        the scopes are refused, RegistryError if what comes is not a token.
        """
        key = (challenge.realm, challenge.service, scopes[0] if scopes else None, credential)
        async with self._locks.setdefault(key, anyio.Lock()):
            token = self._tokens.get(key)
            known = token.scopes if token is not None else ()
            if token is None or not token.fresh(self._clock()) or not covers(known, scopes):
                wanted = widen(known, scopes) if scopes else ()
                token = await self._fetch(challenge, base, wanted, credential)
                # What was asked for counts as covered, or a refusal would be asked for for ever.
                self._tokens[key] = token = replace(token, scopes=wanted)
        return token.text

    def forget(self, text: str) -> None:
        """Give up a token that a registry would not take."""
        self._tokens = {key: kept for key, kept in self._tokens.items() if kept.text != text}

    async def _fetch(
        self, challenge: Challenge, base: str, scopes: Scopes, credential: Credential | None
    ) -> Token:
        realm = _realm(challenge, base)
        since, reason = self._gone.get(realm.partition("?")[0], (-math.inf, ""))
        if self._clock() - since < _GONE_FOR:
            raise NetworkError(reason, retryable=False)
        login = (realm, credential)
        if credential is None or login in self._proven:
            return await self._try(realm, challenge, scopes, credential)
        # The first with a login goes alone: a wrong password is tried once, not
        # by all requests at the same time.
        async with self._proving.setdefault(login, anyio.Lock()):
            if (said := self._refused.get(login)) is not None:
                raise Denied(said)
            token = await self._try(realm, challenge, scopes, credential)
            self._proven.add(login)
            return token

    async def _try(
        self, realm: str, challenge: Challenge, scopes: Scopes, credential: Credential | None
    ) -> Token:
        if realm in self._single:
            scopes = scopes[:1]
        if credential is not None and credential.identity_token:
            exchanged = await self._ask(ask_exchange(realm, challenge, scopes, credential))
            if isinstance(exchanged, Token):
                return exchanged
            if exchanged.status not in _NO_EXCHANGE:
                raise self._refusal(exchanged, realm, credential)
        answer = await self._ask(ask_token(realm, challenge, scopes, credential))
        if isinstance(answer, Token):
            return answer
        if len(scopes) > 1 and answer.status in _TOO_MANY:
            self._single.add(realm)
            return await self._try(realm, challenge, scopes, credential)
        raise self._refusal(answer, realm, credential)

    def _refusal(self, reply: Reply, realm: str, credential: Credential | None) -> MirrorError:
        """Return the error that a refusal amounts to, and remember that of a login."""
        error = _refusal(reply, realm, credential)
        if reply.status == HTTPStatus.UNAUTHORIZED:
            self._refused[realm, credential] = error.message
        return error

    async def _ask(self, request: Request) -> Token | Reply:
        """Return the token, or the reply that refuses it, its body read into the reason.

        A token server that is not there is left alone for a while by all requests.
        """
        try:
            return await self._ask_once(request)
        except NetworkError as error:
            self._gone[request.url.partition("?")[0]] = (self._clock(), error.message)
            raise

    async def _ask_once(self, request: Request) -> Token | Reply:
        async with self._send(request) as reply:
            content = b""
            if reply.chunks is not None:
                async for chunk in reply.chunks:
                    content += chunk
                    if len(content) > _ANSWER_LIMIT:
                        break
            if reply.status != HTTPStatus.OK:
                return replace(reply, chunks=None, reason=str(failure(reply, content)))
            return read_token(content, reply.url, self._clock())


def ask_token(
    realm: str, challenge: Challenge, scopes: Scopes, credential: Credential | None
) -> Request:
    """Ask for a token by GET, with a login or anonymously."""
    query = [("service", challenge.service)] if challenge.service else []
    query += [("scope", str(scope)) for scope in scopes]
    headers = {}
    if credential is not None and credential.username and not credential.identity_token:
        query.append(("account", credential.username))
        headers["Authorization"] = credential.basic
    joint = "&" if urlsplit(realm).query else "?"
    return Request("GET", f"{realm}{joint}{urlencode(query)}" if query else realm, headers)


def ask_exchange(
    realm: str, challenge: Challenge, scopes: Scopes, credential: Credential
) -> Request:
    """Ask for a token by showing an identity token (OAuth2, RFC 6749, section 6)."""
    form = {
        "grant_type": "refresh_token",
        "service": challenge.service,
        "client_id": _CLIENT,
        "scope": " ".join(str(scope) for scope in scopes),
        "refresh_token": credential.identity_token,
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return Request("POST", realm, headers, urlencode(form).encode())


def read_token(content: bytes, url: str, now: float) -> Token:
    """Read a token; raise RegistryError for anything else."""
    place = urlsplit(url).netloc
    try:
        answer = _DECODER.decode(content)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise RegistryError(
            f"{place} gave something else than a token",
            hint="A login page or proxy may stand before the token server.",
            retryable=True,
        ) from error
    text = answer.token or answer.access_token
    if not text or not text.isascii() or not text.isprintable():
        raise RegistryError(f"{place} gave an answer without a token")
    return Token(text, (), now, max(_seconds(answer.expires_in), _LIFE_FLOOR))


def _seconds(stated: float | str | None) -> float:
    try:
        return float(stated or 0)
    except ValueError:
        return 0.0


def _realm(challenge: Challenge, base: str) -> str:
    """Return where tokens are, which is no less safe than the registry itself."""
    realm = join(base, challenge.realm)
    if realm.scheme == "http" and urlsplit(base).scheme == "https":
        raise RegistryError(f"the registry asks for the login over plain http, at {realm.netloc}")
    return realm.geturl()


def _refusal(reply: Reply, realm: str, credential: Credential | None) -> MirrorError:
    who = repr(credential.username) if credential and credential.username else "an anonymous user"
    message = f"no token for {who} from {urlsplit(realm).netloc}: {one_line(reply.reason)}"
    return failure(replace(reply, reason="")).but(message=message)
