"""The distribution API over a store: the embedded registry.

Distribution specification 1.1, with the older catalog beside it.  It keeps a
log of its requests, and misbehaves where it is told to.
"""

import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import quote

from aiohttp import web

from mirror.demo.doorman import Doorman
from mirror.demo.fault import Fault
from mirror.demo.store import Refusal, Session, Store, describe, page, parse_digest
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX

_ROUTES = (
    (re.compile(r"/v2/?"), "base"),
    (re.compile(r"/v2/_catalog"), "catalog"),
    (re.compile(r"/v2/(?P<name>.+)/tags/list"), "tags"),
    (re.compile(r"/v2/(?P<name>.+)/blobs/uploads/?"), "uploads"),
    (re.compile(r"/v2/(?P<name>.+)/blobs/uploads/(?P<session>[^/]+)"), "upload"),
    (re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>[^/]+)"), "blob"),
    (re.compile(r"/v2/(?P<name>.+)/manifests/(?P<target>[^/]+)"), "manifest"),
    (re.compile(r"/v2/(?P<name>.+)/referrers/(?P<digest>[^/]+)"), "referrers"),
)
_RANGE = re.compile(r"bytes=([0-9]{1,18})-([0-9]{0,18})")
_CONTENT_RANGE = re.compile(r"([0-9]+)-([0-9]+)")
# What distribution, Harbor and ACR take as a manifest, in bytes.
_MANIFEST_LIMIT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the log keeps it; ``path`` has its query, ``login`` is what it showed."""

    method: str
    path: str
    login: str = field(default="", repr=False)


@dataclass(slots=True)
class EmbeddedRegistry:
    """A registry in this process; `running` gives it an address."""

    store: Store = field(default_factory=Store)
    faults: list[Fault] = field(default_factory=list)
    log: list[Asked] = field(default_factory=list)
    keep_log: bool = False
    doorman: Doorman | None = None
    """Who asks for tokens at the door; None lets everybody in."""
    mounts: bool = True
    """Whether it mounts blobs; otherwise it opens a session, as for any it does not have."""
    needs_length: bool = False
    """Whether a body must say its length."""
    body_limit: int | None = None
    """Bytes of the largest body it takes, as a proxy in front of it may have it."""
    pulls: int | None = None
    """Manifests it will still give, which it says in each answer as Docker Hub does."""
    chunk_minimum: int | None = None
    """Bytes that chunks must have at least, but for the last."""
    host: str = ""
    """Where it listens, as ``host:port``, once it is running."""

    @asynccontextmanager
    async def running(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Listen while the block lasts; give the address.  Port 0 takes a free one."""
        runner = web.AppRunner(self._application(), access_log=None, shutdown_timeout=1.0)
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
        if self.keep_log:
            login = request.headers.get("Authorization", "")
            self.log.append(Asked(request.method, request.path_qs, login))
        fault = next((f for f in self.faults if f.strikes(request.method, request.path_qs)), None)
        if fault is not None and fault.status is not None:
            return web.Response(status=fault.status, headers=fault.headers, body=fault.body)
        if fault is not None and fault.hang_up:
            _hang_up(request)
        response = await self._fulfil(request)
        if fault is not None and fault.deaf:
            _hang_up(request)
        if self.pulls is not None and "/manifests/" in request.path:
            self.pulls -= request.method == "GET"
            if self.pulls < 0:
                return _error(Refusal(429, "TOOMANYREQUESTS", "the pull limit is reached"))
            response.headers["ratelimit-limit"] = "100;w=21600"
            response.headers["ratelimit-remaining"] = f"{self.pulls};w=21600"
        if fault is not None:
            return await _damaged(request, response, fault)
        return response

    async def _fulfil(self, request: web.Request) -> web.Response:
        if (stopped := self._stop(request)) is not None:
            return stopped
        api = _Api(self.store, request, self.chunk_minimum, mounts=self.mounts)
        for pattern, noun in _ROUTES:
            if found := pattern.fullmatch(request.path):
                verb = "get" if request.method == "HEAD" else request.method.lower()
                answer = getattr(api, f"{verb}_{noun}", None)
                if answer is None:
                    return _error(Refusal(405, "UNSUPPORTED", f"no {request.method} here"))
                return await _refusing(answer, found.groupdict())
        return _error(Refusal(404, "NOT_FOUND", "there is nothing at this address"))

    def _stop(self, request: web.Request) -> web.Response | None:
        """Answer in the API's place, as whoever stands before it would."""
        length = request.content_length
        if self.doorman is not None:
            if request.path == "/token":
                return web.json_response({"token": self.doorman.give()})
            if not self.doorman.admits(request.headers.get("Authorization", "")):
                return self._turned_away()
        if self.body_limit is not None and (length or 0) > self.body_limit:
            return _error(Refusal(413, "", "the body is too large"))
        if self.needs_length and request.method in ("POST", "PUT", "PATCH") and length is None:
            return _error(Refusal(411, "", "a length is needed"))
        return None

    def _turned_away(self) -> web.Response:
        response = _error(Refusal(401, "UNAUTHORIZED", "a token is needed"))
        response.headers["WWW-Authenticate"] = (
            f'Bearer realm="http://{self.host}/token",service="embedded"'
        )
        return response


class _Api:
    """What each method does to each noun; a Refusal becomes an error answer."""

    def __init__(
        self, store: Store, request: web.Request, chunk_minimum: int | None, *, mounts: bool
    ) -> None:
        self._mounts = mounts
        self._store = store
        self._chunk_minimum = chunk_minimum
        self._request = request
        self._query = request.query

    async def get_base(self) -> web.Response:
        return web.json_response({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})

    async def get_catalog(self) -> web.Response:
        names, headers = self._page(self._store.names())
        return web.json_response({"repositories": names}, headers=headers)

    async def get_tags(self, name: str) -> web.Response:
        tags, headers = self._page(self._store.tags(name))
        return web.json_response({"name": name, "tags": tags}, headers=headers)

    async def get_referrers(self, name: str, digest: str) -> web.Response:
        found = [describe(one) for one in self._store.referrers(name, parse_digest(digest))]
        headers = {}
        if wanted := self._query.get("artifactType"):
            found = [one for one in found if one.get("artifactType") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        return web.json_response(index, headers=headers, content_type=OCI_INDEX)

    async def get_blob(self, name: str, digest: str) -> web.Response:
        content = self._store.blob(name, parse_digest(digest))
        headers = {
            "Docker-Content-Digest": digest,
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
        }
        wanted = _RANGE.fullmatch(self._request.headers.get("Range", ""))
        if wanted is None:
            return web.Response(body=content, headers=headers)
        first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
        if first >= len(content) or last < first:
            raise Refusal(416, "RANGE_INVALID", "the blob ends before that")
        part = content[first : last + 1]
        headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        return web.Response(status=206, body=part, headers=headers)

    async def delete_blob(self, name: str, digest: str) -> web.Response:
        self._store.delete_blob(name, parse_digest(digest))
        return web.Response(status=202)

    async def post_uploads(self, name: str) -> web.Response:
        if "mount" in self._query and self._mounts:
            digest = parse_digest(self._query["mount"])
            if self._store.mount(name, digest, self._query.get("from")):
                return self._stored(name, digest)
        identifier = self._store.open(name)
        if "digest" in self._query:
            self._store.session(name, identifier).content += await self._request.read()
            return self._stored(name, self._store.commit(name, identifier, self._query["digest"]))
        return self._progress(202, name, identifier)

    async def get_upload(self, name: str, session: str) -> web.Response:
        return self._progress(204, name, session)

    async def patch_upload(self, name: str, session: str) -> web.Response:
        await self._take(name, session)
        return self._progress(202, name, session)

    async def put_upload(self, name: str, session: str) -> web.Response:
        if "digest" not in self._query:
            raise Refusal(400, "DIGEST_INVALID", "a commit needs a digest")
        await self._take(name, session)
        return self._stored(name, self._store.commit(name, session, self._query["digest"]))

    async def delete_upload(self, name: str, session: str) -> web.Response:
        self._store.close(name, session)
        return web.Response(status=204)

    async def get_manifest(self, name: str, target: str) -> web.Response:
        manifest = self._store.manifest(name, target)
        headers = {
            "Docker-Content-Digest": str(manifest.digest),
            "Content-Type": manifest.media_type,
            "ETag": f'"{manifest.digest}"',
        }
        return web.Response(body=manifest.content, headers=headers)

    async def put_manifest(self, name: str, target: str) -> web.Response:
        content = bytearray()
        async for chunk in self._request.content.iter_any():
            content += chunk
            if len(content) > _MANIFEST_LIMIT:
                raise Refusal(413, "MANIFEST_INVALID", "a manifest has at most 4 MiB")
        media_type = self._request.content_type
        manifest = self._store.put_manifest(name, target, bytes(content), media_type)
        headers = {
            "Location": f"/v2/{name}/manifests/{manifest.digest}",
            "Docker-Content-Digest": str(manifest.digest),
        }
        if manifest.subject is not None:
            headers["OCI-Subject"] = str(manifest.subject)
        return web.Response(status=201, headers=headers)

    async def delete_manifest(self, name: str, target: str) -> web.Response:
        self._store.delete_manifest(name, target)
        return web.Response(status=202)

    async def _take(self, name: str, session: str) -> None:
        """Add the request's body to an open session."""
        upload = self._store.session(name, session)
        self._check_range(name, session, upload)
        async for chunk in self._request.content.iter_any():
            upload.content += chunk

    def _page(self, names: list[str]) -> tuple[list[str], dict[str, str]]:
        wanted = self._query.get("n")
        if wanted is not None and not re.fullmatch("[0-9]{1,9}", wanted):
            raise Refusal(400, "PAGINATION_NUMBER_INVALID", "n is a number")
        count = int(wanted) if wanted is not None else None
        part, more = page(names, count, self._query.get("last"))
        if not more:
            return part, {}
        url = f"{self._request.path}?n={count}&last={quote(part[-1])}"
        return part, {"Link": f'<{url}>; rel="next"'}

    def _check_range(self, name: str, identifier: str, upload: Session) -> None:
        """Chunks come in order, whenever they say where they belong."""
        stated = self._request.headers.get("Content-Range")
        if stated is None:
            return
        found = _CONTENT_RANGE.fullmatch(stated)
        if found is None or int(found[1]) != len(upload.content):
            here = {"Location": _location(name, identifier), "Range": _received(upload)}
            raise Refusal(416, "RANGE_INVALID", f"the next byte is {len(upload.content)}", **here)
        length = int(found[2]) - int(found[1]) + 1
        if self._request.content_length not in (None, length):
            raise Refusal(400, "SIZE_INVALID", "Content-Range and Content-Length differ")

    def _progress(self, status: int, name: str, identifier: str) -> web.Response:
        upload = self._store.session(name, identifier)
        headers = {
            "Location": _location(name, identifier),
            "Range": _received(upload),
            "Docker-Upload-UUID": identifier,
        }
        if self._chunk_minimum is not None:
            headers["OCI-Chunk-Min-Length"] = str(self._chunk_minimum)
        return web.Response(status=status, headers=headers)

    def _stored(self, name: str, digest: Digest) -> web.Response:
        headers = {
            "Location": f"/v2/{name}/blobs/{digest}",
            "Docker-Content-Digest": str(digest),
        }
        return web.Response(status=201, headers=headers)


async def _refusing(
    answer: Callable[..., Awaitable[web.Response]], parts: dict[str, str]
) -> web.Response:
    try:
        return await answer(**parts)
    except Refusal as refusal:
        return _error(refusal)


def _error(refusal: Refusal) -> web.Response:
    body = {"errors": [{"code": refusal.code, "message": refusal.message, "detail": None}]}
    return web.json_response(body, status=refusal.status, headers=refusal.headers)


async def _damaged(
    request: web.Request, response: web.Response, fault: Fault
) -> web.StreamResponse:
    """Send an answer that promises its whole body and does not keep the promise."""
    assert isinstance(response.body, bytes), "the embedded registry answers with bytes"
    stream = web.StreamResponse(status=response.status, headers=response.headers)
    stream.content_length = len(response.body)
    await stream.prepare(request)
    await stream.write(fault.damage(response.body))
    if fault.truncate is not None:
        _hang_up(request)
    return stream


def _hang_up(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
    raise ConnectionResetError("hung up, as asked")


def _location(name: str, identifier: str) -> str:
    return f"/v2/{name}/blobs/uploads/{identifier}"


def _received(upload: Session) -> str:
    return f"0-{max(len(upload.content) - 1, 0)}"
