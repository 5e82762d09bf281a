"""Credentials, and the files in which docker, podman and oc keep them.

Pure: texts in, credentials out.  An entry is found by the longest part of a
repository's name: ``quay.io/org/app``, then ``quay.io/org``, then ``quay.io``.
Nothing here ever shows a secret.  containers-auth.json(5); docker's config.json.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Self

import msgspec
from msgspec import Struct

from mirror.errors import UsageError
from mirror.image.reference import DOCKER_HUB, Repository

# What docker calls its own registry in its files, and to credential helpers.
HUB_KEY = "https://index.docker.io/v1/"
_HUB_NAMES = ("docker.io", "index.docker.io", "registry-1.docker.io")


class Credential(Struct, frozen=True):
    """A login: a user with a password, or one of two kinds of token.

    An identity token is exchanged for access tokens; a registry token is sent
    as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r})"  # and none of its secrets

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("username", self.username)]

    @property
    def basic(self) -> str:
        """The value of an Authorization header that says user and password."""
        pair = f"{self.username}:{self.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``USER:PASSWORD``; the password may hold colons.  Raises ValueError."""
        username, colon, password = text.partition(":")
        if not colon or not username:
            raise ValueError("credentials are USER:PASSWORD")
        return cls(username, password)


class _AuthEntry(msgspec.Struct):
    auth: str | None = None
    username: str | None = None
    password: str | None = None
    identitytoken: str | None = None
    registrytoken: str | None = None


class _File(msgspec.Struct):
    auths: dict[str, _AuthEntry | None] | None = None
    credHelpers: dict[str, str] | None = None  # noqa: N815 - the name in the file
    credsStore: str | None = None  # noqa: N815 - the name in the file


class Helper(Struct, frozen=True):
    """A program that knows the credential: ``docker-credential-<name>``, asked for a server."""

    name: str
    server: str


class AuthFile:
    """One file of credentials; ``name`` is what problems are told under."""

    def __init__(self, name: str, content: bytes) -> None:
        """Read a file of either shape; raise UsageError that names the place if it is neither."""
        try:
            document = msgspec.json.decode(content or b"{}", type=dict[str, msgspec.Raw])
            file = msgspec.json.decode(content or b"{}", type=_File)
            entries = file.auths if document.keys() & set(_File.__struct_fields__) else None
            self._auths = _legacy(document) if entries is None else _present(entries)
            self._helpers = file.credHelpers or {}
            self._store = file.credsStore
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UsageError(
                f"{name}: {error}", hint="This credentials file cannot be read; log in again."
            ) from error
        self._name = name

    def find(self, repository: Repository) -> Credential | Helper | None:
        """Return the credential for a repository, or the program to ask for it."""
        hosts = _host_names(repository)
        for host in hosts:
            if helper := self._helpers.get(host):
                return Helper(helper, _server(repository))
        if (entry := self._entry(repository)) is not None:
            return self._credential(entry)
        return Helper(self._store, _server(repository)) if self._store else None

    def below(self, repository: Repository) -> Iterator[Credential]:
        """Give the credentials that are for parts of a registry only."""
        hosts = _host_names(repository)
        for key, entry in self._auths.items():
            if entry != _AuthEntry() and any(key.startswith(f"{host}/") for host in hosts):
                yield self._credential(entry)

    def _entry(self, repository: Repository) -> _AuthEntry | None:
        for key in _keys(repository):
            if (entry := self._auths.get(key)) is not None and entry != _AuthEntry():
                return entry
        hosts = _host_names(repository)
        for key, entry in self._auths.items():
            if entry != _AuthEntry() and _as_host(key) in hosts:
                return entry
        return None

    def _credential(self, entry: _AuthEntry) -> Credential:
        username, password = entry.username or "", entry.password or ""
        if entry.auth:
            username, colon, password = self._decoded(entry.auth).partition(":")
            if not colon:
                raise self._damaged()
        return Credential(
            username,
            password.rstrip("\x00"),
            entry.identitytoken or "",
            entry.registrytoken or "",
        )

    def _decoded(self, text: str) -> str:
        try:
            return base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError) as error:
            raise self._damaged() from error

    def _damaged(self) -> UsageError:
        return UsageError(
            f"{self._name}: an 'auth' is not base64 of USER:PASSWORD",
            hint="This credentials file is damaged; log in again.",
        )


def _present(entries: dict[str, _AuthEntry | None]) -> dict[str, _AuthEntry]:
    return {key.rstrip("/"): entry for key, entry in entries.items() if entry is not None}


def _legacy(document: dict[str, msgspec.Raw]) -> dict[str, _AuthEntry]:
    """Read the old .dockercfg, which is the entries alone; other files hold other things."""
    found: dict[str, _AuthEntry] = {}
    for key, raw in document.items():
        if "." in key or ":" in key or key == "localhost":
            found[key.rstrip("/")] = msgspec.json.decode(raw, type=_AuthEntry)
    return found


def _keys(repository: Repository) -> Iterator[str]:
    """Give the keys that may hold a repository's entry, the most precise first."""
    for host in _host_names(repository):
        path = repository.path
        while path:
            yield f"{host}/{path}"
            path = path.rpartition("/")[0]
    yield from _host_names(repository)
    if repository.registry.host == DOCKER_HUB:
        yield HUB_KEY.rstrip("/")


def _host_names(repository: Repository) -> tuple[str, ...]:
    host = repository.registry.host
    return _HUB_NAMES if host == DOCKER_HUB else (host,)


def _as_host(key: str) -> str:
    """Return the host of a key that is an address, as docker writes them."""
    host, _, path = key.partition("://")[2].partition("/") if "://" in key else key.partition("/")
    return host.lower() if path.strip("/") in ("", "v1", "v2") else ""


def _server(repository: Repository) -> str:
    """What a helper knows a registry by."""
    host = repository.registry.host
    return HUB_KEY if host == DOCKER_HUB else host


def printable(text: str) -> str:
    """Return a login as it is; raise ValueError if it has control characters."""
    if not text.isprintable():
        raise ValueError("a login has no control characters")
    return text
