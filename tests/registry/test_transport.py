"""Connections that fail, and what is said of each."""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
import trustme
from aiohttp import web
from anyio.abc import SocketAttribute, SocketStream

from mirror.demo.fault import Fault
from mirror.demo.server import EmbeddedRegistry
from mirror.errors import Dropped, NetworkError
from mirror.events import Event, RequestSent
from mirror.options import Timeouts
from mirror.registry.tls import TlsContexts
from mirror.registry.transport import Transport
from mirror.wire.message import Request
from mirror.wire.proxy import Proxies


@asynccontextmanager
async def raw_server(answer: bytes) -> AsyncIterator[int]:
    """Send these bytes to whoever connects, and hang up; gives the port."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            if answer:
                await stream.send(answer)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        yield listener.extra(SocketAttribute.local_port)
        group.cancel_scope.cancel()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    async with Transport(lambda _: None, TlsContexts(), Proxies()) as opened:
        yield opened


async def failure(transport: Transport, url: str) -> NetworkError:
    with pytest.raises(NetworkError) as caught:
        await body(transport, url)
    return caught.value


async def body(transport: Transport, url: str) -> bytes:
    async with transport.send(Request("GET", url)) as reply:
        assert reply.chunks is not None
        return b"".join([chunk async for chunk in reply.chunks])


async def test_a_port_where_nobody_listens(transport: Transport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    assert f"no connection to 127.0.0.1:{port}" in str(
        await failure(transport, f"http://127.0.0.1:{port}/")
    )


async def test_a_host_that_is_not_known(transport: Transport) -> None:
    error = await failure(transport, "http://nowhere.invalid/")

    assert str(error) == "nowhere.invalid is not a known host"
    assert "name server" in error.hint


async def test_a_server_that_hangs_up(transport: Transport) -> None:
    async with raw_server(b"") as port:
        assert "closed the connection before it answered" in str(
            await failure(transport, f"http://127.0.0.1:{port}/")
        )


async def test_a_body_that_ends_too_early(transport: Transport) -> None:
    async with raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc") as port:
        assert "before the body was complete" in str(
            await failure(transport, f"http://127.0.0.1:{port}/")
        )


async def test_an_answer_that_is_no_http(transport: Transport) -> None:
    async with raw_server(b"SSH-2.0-x\r\n\r\n") as port:
        assert "broke" in str(await failure(transport, f"http://127.0.0.1:{port}/"))


async def test_every_request_is_told_of_with_its_host() -> None:
    told: list[Event] = []
    answer = b"HTTP/1.1 204 No Content\r\n\r\n"
    async with (
        raw_server(answer) as port,
        Transport(told.append, TlsContexts(), Proxies()) as transport,
    ):
        async with transport.send(Request("HEAD", f"http://127.0.0.1:{port}/x")) as reply:
            assert reply.status == 204
    assert told == [RequestSent(f"127.0.0.1:{port}", "HEAD")]


async def test_a_location_of_ten_thousand_characters_is_no_trouble(transport: Transport) -> None:
    location = "/x?" + "s" * 10_000
    head = f"HTTP/1.1 202 Accepted\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(head.encode()) as port:
        async with transport.send(Request("POST", f"http://127.0.0.1:{port}/")) as reply:
            assert reply.headers["location"] == location


async def test_a_compressed_body_is_left_as_it_is(transport: Transport) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"
    async with raw_server(head) as port:
        assert await body(transport, f"http://127.0.0.1:{port}/") == b"abc"


@pytest.fixture
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_an_unknown_certificate_is_refused_unless_insecure(
    certificate: ssl.SSLContext,
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    application = web.Application()
    application.router.add_get("/", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificate).start()
    url = f"https://127.0.0.1:{runner.addresses[0][1]}/"
    try:
        async with Transport(lambda _: None, TlsContexts(), Proxies()) as strict:
            error = await failure(strict, url)
            assert "certificate that is not trusted" in str(error)
            assert "--insecure" in error.hint
        async with Transport(lambda _: None, TlsContexts(), Proxies(), verify=False) as lenient:
            assert await body(lenient, url) == b"hello"
    finally:
        await runner.cleanup()


async def test_a_refusal_that_comes_while_the_body_is_sent_is_that_refusal(
    transport: Transport,
) -> None:
    answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield bytes(64 * 1024)

    async with raw_server(answer) as port:
        url = f"http://127.0.0.1:{port}/"
        request = Request("PUT", url, body=endless(), length=1 << 40)
        async with transport.send(request) as reply:
            assert reply.status == 413


async def test_a_kept_connection_that_is_gone_is_told_from_one_that_broke(
    transport: Transport,
) -> None:
    async def handle(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            await stream.receive()  # the second request on it, which nobody answers

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        await body(transport, url)
        with pytest.raises(Dropped):
            await body(transport, url)
        group.cancel_scope.cancel()


async def test_nothing_is_sent_twice_by_itself(transport: Transport) -> None:
    asked: list[bytes] = []

    async def handle(stream: SocketStream) -> None:
        async with stream:
            asked.append(await stream.receive())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        for method in ("GET", "PUT", "DELETE"):
            with pytest.raises(NetworkError):
                async with transport.send(Request(method, url, length=0, repeatable=False)):
                    pass
        group.cancel_scope.cancel()
    assert len(asked) == 3


async def test_connections_opened_ahead_are_used_by_the_requests_that_follow() -> None:
    registry = EmbeddedRegistry(keep_log=True)
    told: list[Event] = []
    async with (
        registry.running() as host,
        Transport(told.append, TlsContexts(), Proxies()) as transport,
        anyio.create_task_group() as group,
    ):
        url = f"http://{host}/v2/"
        async with anyio.create_task_group() as opening:
            for _ in range(5):
                opening.start_soon(transport.open_ahead, url, 3)
        assert (registry.log, told) == ([], [])

        meeting = anyio.Event()
        registry.faults.append(Fault(after=meeting.wait, times=3))
        for _ in range(3):
            group.start_soon(body, transport, url)
        await anyio.wait_all_tasks_blocked()
        await transport.open_ahead(url, 3)
        meeting.set()
    assert len({request.connection for request in registry.log}) == 3


async def test_the_connection_that_was_used_last_is_used_first() -> None:
    registry = EmbeddedRegistry(keep_log=True)
    async with (
        registry.running() as host,
        Transport(lambda _: None, TlsContexts(), Proxies()) as transport,
    ):
        url = f"http://{host}/v2/"
        await body(transport, url)
        await transport.open_ahead(url, 2)
        await body(transport, url)
    assert len({request.connection for request in registry.log}) == 1


async def test_what_cannot_be_opened_ahead_is_told_to_who_needs_it(transport: Transport) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/"

    await transport.open_ahead(url, 1)

    assert "no connection" in str(await failure(transport, url))


async def test_what_may_begin_late_is_waited_for_as_long_as_a_commit() -> None:
    limits = Timeouts(stall=0.1, commit=30)
    asked, told = anyio.Event(), anyio.Event()

    async def handle(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            asked.set()
            await told.wait()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        url = f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}/"
        async with Transport(lambda _: None, TlsContexts(), Proxies(), limits) as transport:

            async def give_up_quickly() -> None:
                await asked.wait()
                assert "went silent" in str(await failure(transport, url))
                told.set()

            group.start_soon(give_up_quickly)
            async with transport.send(Request("GET", url, slow=True)) as reply:
                assert reply.status == 200
        group.cancel_scope.cancel()


async def test_a_silent_server_is_given_up() -> None:
    async def handle(stream: SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with anyio.create_task_group() as group:
        group.start_soon(listener.serve, handle)
        place = f"127.0.0.1:{listener.extra(SocketAttribute.local_port)}"
        quick = Timeouts(stall=0.1)
        async with Transport(lambda _: None, TlsContexts(), Proxies(), quick) as transport:
            assert str(await failure(transport, f"http://{place}/")) == f"{place} went silent"
        group.cancel_scope.cancel()
