"""The distribution API over a store: the embedded registry.

Distribution specification 1.1, with the older catalog beside it.  It keeps a
log of its requests, and misbehaves where it is told to.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from aiohttp import web

from mirror.demo.api import Api, HungUp, error, hang_up
from mirror.demo.fault import Fault
from mirror.demo.store import Refusal, Store


@dataclass(slots=True)
class TokenIssuer:
    """Gives a token to every client that asks, and admits requests with one that is not used up.

    Counting requests in place of seconds, it makes tokens run out in the middle
    of whatever is going on, the same way each time.
    """

    uses: int
    given: int = 0
    _left: dict[str, int] = field(default_factory=dict)

    def give(self) -> str:
        """Make a token."""
        self.given += 1
        token = f"token-{self.given}"
        self._left[f"Bearer {token}"] = self.uses
        return token

    def admits(self, login: str) -> bool:
        """Whether to let a request in that shows this; if so, it is one use less."""
        left = self._left.get(login, 0)
        self._left[login] = left - 1
        return left > 0


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the log keeps it; ``path`` has its query, ``login`` is what it showed."""

    method: str
    path: str
    login: str = field(default="", repr=False)
    range: str = ""
    connection: str = ""
    """By which of its clients' connections it came."""


@dataclass(slots=True)
class EmbeddedRegistry:
    """A registry in this process; `running` gives it an address."""

    store: Store = field(default_factory=Store)
    faults: list[Fault] = field(default_factory=list)
    log: list[Asked] = field(default_factory=list)
    keep_log: bool = False
    tokens: TokenIssuer | None = None
    """Asks every request for a token; None admits all requests."""
    mounts: bool = True
    """Whether it mounts blobs; otherwise it opens a session, as for any it does not have."""
    needs_length: bool = False
    """Whether a body must say its length."""
    body_limit: int | None = None
    """Bytes of the largest body it takes, as a proxy in front of it may have it."""
    pulls: int | None = None
    """Manifests it will still give, which it says in each answer as Docker Hub does."""
    referrers: bool = True
    """Whether it lists what refers to a manifest; otherwise clients look after such lists."""
    ranges: bool = True
    """Whether it gives parts of blobs; otherwise whole ones, whatever is asked for."""
    chunk_minimum: int | None = None
    """Bytes that chunks must have at least, but for the last."""
    host: str = ""
    """Where it listens, as ``host:port``, once it is running."""

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Listen while the block lasts; give the address.  Port 0 takes a free one."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port).start()
            bound, taken = runner.addresses[0][:2]
            self.host = f"[{bound}]:{taken}" if ":" in bound else f"{bound}:{taken}"
            yield self.host
        finally:
            await runner.cleanup()

    def _application(self) -> web.Application:
        application = web.Application(client_max_size=0)
        application.router.add_route("*", "/{path:.*}", self._answer)
        return application

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer_or_hang_up(request)
        except HungUp:
            return web.Response()  # which is not sent

    async def _answer_or_hang_up(self, request: web.Request) -> web.StreamResponse:
        if self.keep_log:
            login = request.headers.get("Authorization", "")
            part = request.headers.get("Range", "")
            peer = request.transport.get_extra_info("peername") if request.transport else ""
            self.log.append(Asked(request.method, request.path_qs, login, part, str(peer)))
        fault = next((f for f in self.faults if f.strikes(request.method, request.path_qs)), None)
        if fault is not None and fault.after is not None:
            await fault.after()
        if fault is not None and fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        if fault is not None and fault.hang_up:
            hang_up(request)
        if fault is not None and fault.silent:
            await anyio.sleep_forever()
        response = await self._fulfil(request, fault)
        if fault is not None and fault.deaf:
            hang_up(request)
        if self.pulls is not None and "/manifests/" in request.path:
            self.pulls -= request.method == "GET"
            if self.pulls < 0:
                return error(Refusal(429, "TOOMANYREQUESTS", "the pull limit is reached"))
            response.headers["ratelimit-limit"] = "100;w=21600"
            response.headers["ratelimit-remaining"] = f"{self.pulls};w=21600"
        if fault is not None and fault.damages:
            return await _damaged(request, response, fault)
        return response

    async def _fulfil(self, request: web.Request, fault: Fault | None) -> web.Response:
        if (stopped := self._stop(request)) is not None:
            return stopped
        api = Api(self.store, request, mounts=self.mounts, ranges=self.ranges)
        api.chunk_minimum, api.breaks = self.chunk_minimum, fault.breaks if fault else None
        return await api.answer()

    def _stop(self, request: web.Request) -> web.Response | None:
        """Answer in the API's place, as a proxy before it would."""
        length = request.content_length
        if not self.referrers and "/referrers/" in request.path:
            return web.Response(status=404)
        if self.tokens is not None:
            if request.path == "/token":
                return web.json_response({"token": self.tokens.give()})
            if not self.tokens.admits(request.headers.get("Authorization", "")):
                return self._turned_away()
        if self.body_limit is not None and (length or 0) > self.body_limit:
            return error(Refusal(413, "", "the body is too large"))
        if self.needs_length and request.method in ("POST", "PUT", "PATCH") and length is None:
            return error(Refusal(411, "", "a length is needed"))
        return None

    def _turned_away(self) -> web.Response:
        response = error(Refusal(401, "UNAUTHORIZED", "a token is needed"))
        response.headers["WWW-Authenticate"] = (
            f'Bearer realm="http://{self.host}/token",service="embedded"'
        )
        return response


async def _damaged(
    request: web.Request, response: web.Response, fault: Fault
) -> web.StreamResponse:
    """Send an answer that promises its whole body and does not keep the promise."""
    body = response.body or b""
    assert isinstance(body, bytes), "the embedded registry answers with bytes"
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(body)
    await stream.prepare(request)
    await stream.write(fault.damage(body))
    if fault.reset is not None:
        hang_up(request)
    if fault.truncate is not None and request.transport is not None:
        request.transport.close()
    if fault.stall is not None:
        await anyio.sleep_forever()
    return stream
