"""All registries of a run: one endpoint and one login each, over shared connections."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from types import TracebackType
from typing import Self

import anyio
from msgspec.structs import replace

from mirror.auth.keychain import Keychain
from mirror.auth.scope import Scope
from mirror.auth.token import Tokens
from mirror.events import Emit, HostThrottled
from mirror.image.reference import Registry, Repository
from mirror.options import Options
from mirror.place import Side
from mirror.registry.authorizing import Authorizing
from mirror.registry.backoff import Backoff
from mirror.registry.capabilities import Capabilities
from mirror.registry.client import Client
from mirror.registry.endpoint import Endpoint
from mirror.registry.fanout import FanOut
from mirror.registry.folders import Folders
from mirror.registry.pagination import repositories
from mirror.registry.retrying import Retrying
from mirror.registry.spare_connections import ConnectionBudget, SlotLender, SlotSource
from mirror.registry.tls import TlsContexts
from mirror.registry.transport import Transport
from mirror.wire.known_limits import limit_at
from mirror.wire.listing import Listing, PagedNames
from mirror.wire.message import Request, Send
from mirror.wire.proxy import Proxies
from mirror.wire.upload_strategy import Method, seed

# Clients that are kept for the next request to their repository.
_KEPT_CLIENTS = 1000


class RegistryClients:
    """Gives clients for repositories; an async context manager that owns the connections."""

    def __init__(
        self,
        options: Options,
        emit: Emit,
        keychain: Keychain,
        proxies: Proxies | None = None,
        backoff: Backoff | None = None,
        slots: SlotSource | None = None,
        *,
        writes: bool = True,
    ) -> None:
        """Log in at destinations to read only, unless ``writes``."""
        self.backoff = backoff or Backoff(options.retries)
        """How failures are waited out, here and in the engine."""
        self._options = options
        self._writes = writes
        self._keychain = keychain
        trust = TlsContexts(options.certificate_authority)
        self._transports = {
            insecure: Transport(
                emit, trust, proxies or Proxies(), options.timeouts, verify=not insecure
            )
            for insecure in {
                options.insecure_source,
                options.insecure_destination,
                *(bool(one.insecure) for one in options.registries.values()),
            }
        }
        self._endpoints: dict[tuple[Registry, bool], tuple[Endpoint, Tokens]] = {}
        self._emit = emit
        self._capabilities: dict[Registry, Capabilities] = {}
        self._logins: dict[tuple[Registry, Side], Authorizing] = {}
        self._destinations: set[Registry] = set()
        self._clients: dict[tuple[Repository, Side, Callable[[str], Scope]], Client] = {}
        self._fan_out = FanOut()
        self._folders = Folders(options.folder)
        self._tasks = anyio.create_task_group()
        self._slots = slots
        self._lender = SlotLender(slots, self._tasks.start_soon, self.backoff.clock)
        self._budgets: dict[Registry, ConnectionBudget] = {}
        self._owned = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for transport in self._transports.values():
            await self._owned.enter_async_context(transport)
        await self._owned.enter_async_context(self._tasks)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._tasks.cancel_scope.cancel()
        try:
            await self._owned.aclose()
        finally:
            await self._folders.close()

    def shorten_deadlines(self) -> None:
        """Wait no longer than for a silence for any answer that carries no blob."""
        for transport in self._transports.values():
            transport.shorten_deadlines()

    def client(self, repository: Repository, side: Side) -> Client:
        """Return the client of a repository, as one side of a copy sees it."""
        reads = side is Side.SOURCE or not self._writes
        return self._client(repository, side, Scope.pull if reads else Scope.push)

    def deleting(self, repository: Repository) -> Client:
        """Return the client of a destination repository that may delete there."""
        separate = seed(repository.registry.host).delete_scope
        needed = Scope.delete if separate else Scope.push
        return self._client(repository, Side.DESTINATION, needed)

    def _client(
        self,
        repository: Repository,
        side: Side,
        needed: Callable[[str], Scope],
    ) -> Client:
        """Return a client, the same as before if it was asked for lately."""
        key = repository, side, needed
        if (known := self._clients.get(key)) is None:
            if len(self._clients) >= _KEPT_CLIENTS:
                self._clients.clear()
            known = self._clients[key] = self._make(repository, side, needed)
        return known

    def _make(self, repository: Repository, side: Side, needed: Callable[[str], Scope]) -> Client:
        if repository.registry.is_local:
            send: Send = self._folders.local(repository).send
        else:
            login = self._login(repository.registry, side)
            send = partial(login.send, repository=repository, scope=needed(repository.path))
        if side is Side.DESTINATION and repository.registry not in self._destinations:
            self._destinations.add(repository.registry)
            self._clients.clear()  # of which some have to share what they read from now on
        # Only with several destinations is there anything to share a reading with.
        fan_out = self._fan_out if len(self._destinations) > 1 else None
        known = self._capabilities_of(repository.registry)
        budget = self._budget(repository.registry)
        return Client(send, repository, side, known, self.backoff, fan_out, budget)

    def prepare_connections(self, registry: Registry, side: Side, connections: int) -> None:
        """Have connections ready that will be needed soon, as far as the limit allows."""
        if registry.is_local:
            return
        endpoint, _ = self._endpoint(registry, side)
        most = limit_at(registry.host, self._options).most
        endpoint.prepare_connections(min(connections, most))

    async def catalog(self, registry: Registry, below: str, rest: Listing | None) -> PagedNames:
        """Return a page of a source registry's repositories."""
        if registry.is_local:
            return PagedNames(await self._folders.catalog(registry, below))
        login = self._login(registry, Side.SOURCE)
        nowhere = Repository(registry, "")  # credentials of the host, not of a path
        send = partial(login.send, repository=nowhere, scope=Scope.catalog())
        return await repositories(send, registry, rest)

    def _budget(self, registry: Registry) -> ConnectionBudget:
        if (budget := self._budgets.get(registry)) is None:
            budget = self._budgets[registry] = ConnectionBudget(registry, self._lender)
        return budget

    def _capabilities_of(self, registry: Registry) -> Capabilities:
        if (known := self._capabilities.get(registry)) is None:
            strategy = seed(registry.host)
            options = self._options
            if (chunk := options.at(registry.host).chunk_size or options.chunk_size) is not None:
                strategy = replace(strategy, method=Method.CHUNKED, chunk=chunk, whole_limit=None)
            known = self._capabilities[registry] = Capabilities(strategy, self._emit)
        return known

    def _login(self, registry: Registry, side: Side) -> Authorizing:
        if (login := self._logins.get((registry, side))) is not None:
            return login
        endpoint, tokens = self._endpoint(registry, side)
        one_scope = self._options.skip_multiple_scopes
        login = Authorizing(endpoint, tokens, self._keychain, side, one_scope=one_scope)
        self._logins[registry, side] = login
        return login

    def _open_ahead(self, transport: Transport, url: str, count: int) -> None:
        for _ in range(transport.lacks(url, count)):
            self._tasks.start_soon(transport.open_ahead, url, count)

    def _endpoint(self, registry: Registry, side: Side) -> tuple[Endpoint, Tokens]:
        at_source = side is Side.SOURCE
        options = self._options
        insecure = options.insecure_source if at_source else options.insecure_destination
        if (own := options.at(registry.host).insecure) is not None:
            insecure = own
        if (known := self._endpoints.get((registry, insecure))) is None:
            transport, backoff = self._transports[insecure], self.backoff
            endpoint = Endpoint(
                registry,
                transport.send,
                insecure=insecure,
                backoff=backoff,
                observer=_Host(registry, transport, self._emit, self._slots),
                open_ahead=partial(self._open_ahead, transport),
                rate=options.at(registry.host).requests_per_second,
            )
            known = endpoint, Tokens(Retrying(transport.send, backoff).send)
            self._endpoints[registry, insecure] = known
        return known


class _Host:
    """Tells the slots how a host answers, and the run when it has too much."""

    def __init__(
        self, registry: Registry, transport: Transport, emit: Emit, slots: SlotSource | None
    ) -> None:
        self._registry = registry
        self._transport = transport
        self._emit = emit
        self._slots = slots

    def answered(self, request: Request, status: int, seconds: float) -> None:
        """See `mirror.registry.retrying.HostObserver`."""
        # Opening a connection takes longer than an answer, and says nothing of the host.
        if self._slots is not None and self._transport.reused():
            noun = "manifest" if "/manifests/" in request.url else ""
            self._slots.answered(self._registry, f"{request.method} {noun} {status}", seconds)

    def throttled(self, seconds: float, status: int) -> None:
        """See `mirror.registry.retrying.HostObserver`."""
        self._emit(HostThrottled(self._registry, seconds, status))
