"""All registries of a run: one endpoint each, over shared connections."""

from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from mirror.errors import Side
from mirror.events import Tell
from mirror.image.reference import Registry, Repository
from mirror.options import Options
from mirror.registry.client import Client, repositories
from mirror.registry.endpoint import Endpoint
from mirror.registry.transport import Transport
from mirror.wire.message import Send


class Registries:
    """Gives clients for repositories; an async context manager that owns the connections."""

    def __init__(self, options: Options, tell: Tell) -> None:
        self._insecure = {
            Side.SOURCE: options.insecure_source,
            Side.DESTINATION: options.insecure_destination,
        }
        self._transports = {
            insecure: Transport(tell, verify=not insecure)
            for insecure in set(self._insecure.values())
        }
        self._endpoints: dict[tuple[Registry, bool], Endpoint] = {}
        self._owned = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for transport in self._transports.values():
            await self._owned.enter_async_context(transport)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._owned.aclose()

    def client(self, repository: Repository, side: Side) -> Client:
        """Return the client of a repository, as one side of a copy sees it."""
        return Client(self._send(repository.registry, side), repository, side)

    async def catalog(self, registry: Registry) -> tuple[str, ...]:
        """Return the repositories of a source registry."""
        return await repositories(self._send(registry, Side.SOURCE), registry)

    def _send(self, registry: Registry, side: Side) -> Send:
        insecure = self._insecure[side]
        endpoint = self._endpoints.get((registry, insecure))
        if endpoint is None:
            send = self._transports[insecure].send
            endpoint = self._endpoints[registry, insecure] = Endpoint(
                registry, send, insecure=insecure
            )
        return endpoint.send
