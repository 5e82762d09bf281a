"""What each method does to each noun of the distribution API.

Distribution specification 1.1, with the older catalog beside it.
"""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from aiohttp import web

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


class HungUp(Exception):
    """The connection was cut, as asked."""


class Api:
    """What each method does to each noun; a Refusal becomes an error answer."""

    def __init__(self, store: Store, request: web.Request, *, mounts: bool, ranges: bool) -> None:
        self.chunk_minimum: int | None = None
        """Bytes that chunks must have at least, but for the last."""
        self.breaks: int | None = None
        """Bytes of the request's body after which the connection is cut."""
        self._mounts = mounts
        self._ranges = ranges
        self._store = store
        self._request = request
        self._query = request.query

    async def answer(self) -> web.Response:
        """Do what the request asks for, and answer it."""
        request = self._request
        for pattern, noun in _ROUTES:
            if found := pattern.fullmatch(request.path):
                verb = "get" if request.method == "HEAD" else request.method.lower()
                method = getattr(self, f"_{verb}_{noun}", None)
                if method is None:
                    return error(Refusal(405, "UNSUPPORTED", f"no {request.method} here"))
                return await _refusing(method, found.groupdict())
        return error(Refusal(404, "NOT_FOUND", "there is nothing at this address"))

    async def _get_base(self) -> web.Response:
        return web.json_response({}, headers={"Docker-Distribution-API-Version": "registry/2.0"})

    async def _get_catalog(self) -> web.Response:
        names, headers = self._page(self._store.names())
        return web.json_response({"repositories": names}, headers=headers)

    async def _get_tags(self, name: str) -> web.Response:
        tags, headers = self._page(self._store.tags(name))
        return web.json_response({"name": name, "tags": tags}, headers=headers)

    async def _get_referrers(self, name: str, digest: str) -> web.Response:
        found = [describe(one) for one in self._store.referrers(name, parse_digest(digest))]
        headers = {}
        if wanted := self._query.get("artifactType"):
            found = [one for one in found if one.get("artifactType") == wanted]
            headers["OCI-Filters-Applied"] = "artifactType"
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
        return web.json_response(index, headers=headers, content_type=OCI_INDEX)

    async def _get_blob(self, name: str, digest: str) -> web.Response:
        content = self._store.blob(name, parse_digest(digest))
        headers = {
            "Docker-Content-Digest": digest,
            "Content-Type": "application/octet-stream",
            "Accept-Ranges": "bytes",
        }
        wanted = _RANGE.fullmatch(self._request.headers.get("Range", ""))
        if wanted is None or not self._ranges:
            return web.Response(body=content, headers=headers)
        first, last = int(wanted[1]), int(wanted[2] or len(content) - 1)
        if first >= len(content) or last < first:
            raise Refusal(416, "RANGE_INVALID", "the blob ends before that")
        part = content[first : last + 1]
        headers["Content-Range"] = f"bytes {first}-{first + len(part) - 1}/{len(content)}"
        return web.Response(status=206, body=part, headers=headers)

    async def _delete_blob(self, name: str, digest: str) -> web.Response:
        self._store.delete_blob(name, parse_digest(digest))
        return web.Response(status=202)

    async def _post_uploads(self, name: str) -> web.Response:
        if "mount" in self._query and self._mounts:
            digest = parse_digest(self._query["mount"])
            if self._store.mount(name, digest, self._query.get("from")):
                return self._stored(name, digest)
        identifier = self._store.open(name)
        if "digest" in self._query:
            self._store.session(name, identifier).content += await self._request.read()
            return self._stored(name, self._store.commit(name, identifier, self._query["digest"]))
        return self._progress(202, name, identifier)

    async def _get_upload(self, name: str, session: str) -> web.Response:
        return self._progress(204, name, session)

    async def _patch_upload(self, name: str, session: str) -> web.Response:
        await self._take(name, session)
        return self._progress(202, name, session)

    async def _put_upload(self, name: str, session: str) -> web.Response:
        if "digest" not in self._query:
            raise Refusal(400, "DIGEST_INVALID", "a commit needs a digest")
        await self._take(name, session)
        return self._stored(name, self._store.commit(name, session, self._query["digest"]))

    async def _delete_upload(self, name: str, session: str) -> web.Response:
        self._store.close(name, session)
        return web.Response(status=204)

    async def _get_manifest(self, name: str, target: str) -> web.Response:
        manifest = self._store.manifest(name, target)
        headers = {
            "Docker-Content-Digest": str(manifest.digest),
            "Content-Type": manifest.media_type,
            "ETag": f'"{manifest.digest}"',
        }
        return web.Response(body=manifest.content, headers=headers)

    async def _put_manifest(self, name: str, target: str) -> web.Response:
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

    async def _delete_manifest(self, name: str, target: str) -> web.Response:
        self._store.delete_manifest(name, target)
        return web.Response(status=202)

    async def _take(self, name: str, session: str) -> None:
        """Add the request's body to an open session."""
        upload = self._store.session(name, session)
        self._check_range(name, session, upload)
        taken = 0
        async for chunk in self._request.content.iter_any():
            upload.content += chunk[: self.breaks - taken] if self.breaks is not None else chunk
            taken += len(chunk)
            if self.breaks is not None and taken >= self.breaks:
                hang_up(self._request)

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
        if self.chunk_minimum is not None:
            headers["OCI-Chunk-Min-Length"] = str(self.chunk_minimum)
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
        return error(refusal)


def error(refusal: Refusal) -> web.Response:
    """Answer with a refusal."""
    body = {"errors": [{"code": refusal.code, "message": refusal.message, "detail": None}]}
    return web.json_response(body, status=refusal.status, headers=refusal.headers)


def hang_up(request: web.Request) -> None:
    """Cut the connection at once; the handler does not go on."""
    if request.transport is not None:
        request.transport.abort()
    raise HungUp


def _location(name: str, identifier: str) -> str:
    return f"/v2/{name}/blobs/uploads/{identifier}"


def _received(upload: Session) -> str:
    return f"0-{max(len(upload.content) - 1, 0)}"
