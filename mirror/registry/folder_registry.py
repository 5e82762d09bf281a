"""A folder that answers like a registry: the one verb, over files.

The copy need not know where it goes: what a registry says of manifests, blobs
and tags is said here of files.  Distribution specification 1.1, "Endpoints".
"""

import hashlib
import os
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import parse_qs, quote

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_INDEX, Manifest
from mirror.registry.oci_folder import removed_if_it_fails
from mirror.wire.message import Reply, Request
from mirror.wire.requests import DIGEST_HEADER

_CHUNK = 1024 * 1024
# What an address begins with that leads back here.
_ORIGIN = "http://folder.invalid"
_FETCH = "Copy it into the folder with --push-foreign, from where it can be had."
_ROUTE = re.compile(r"/v2/.+/(manifests|blobs|referrers|tags)/([^/]+)(?:/([^/]*))?")
_RANGE = re.compile(r"bytes=([0-9]+)-([0-9]*)")

_Result = TypeVar("_Result")


class Folder(Protocol):
    """One repository in files.  Every method may wait for a disk."""

    @property
    def exists(self) -> bool:
        """Whether there is anything."""
        ...

    def names(self) -> tuple[str, ...]:
        """Return its tags."""
        ...

    def manifest(self, target: str) -> tuple[bytes, str] | None:
        """Return the manifest behind a tag or digest, and its media type."""
        ...

    def put(self, target: str, manifest: Manifest) -> None:
        """Store a manifest, under a tag or none."""
        ...

    def blob(self, digest: Digest) -> Path:
        """Return where a blob is, if it is there."""
        ...

    def partial(self) -> Path:
        """Return the name of a new file for what will be a blob."""
        ...

    def take(self, partial: Path, digest: Digest) -> None:
        """Make a file a blob."""
        ...

    def referrers(self, subject: Digest, /) -> bytes | None:
        """Return an index of the referrers of a manifest; None if it keeps no such lists."""
        ...

    def close(self) -> None:
        """Write what is pending."""
        ...


class FolderRegistry:
    """A folder behind the verb."""

    def __init__(self, folder: Folder, neighbour: Callable[[str], Folder]) -> None:
        """``neighbour`` is another folder of its kind, by its path."""
        self._folder = folder
        self._neighbour = neighbour
        self._sessions: dict[str, Path] = {}
        # One thing at a time changes what the folder lists.
        self._turn = anyio.Lock()

    @asynccontextmanager
    async def send(self, request: Request) -> AsyncIterator[Reply]:
        """Answer a request; raise RegistryError if the disk does not do it."""
        if "://" in request.url and not request.url.startswith(_ORIGIN):
            raise RegistryError("a folder leads nowhere else", hint=_FETCH)
        url = request.url if request.url.startswith(_ORIGIN) else _ORIGIN + request.url
        try:
            reply = await self._answer(replace(request, url=url))
        except OSError as error:
            raise unwilling(error) from error
        yield reply

    async def close(self) -> None:
        """Write what is pending, and drop what was not finished."""
        for path in self._sessions.values():
            with suppress(OSError):  # the next run removes it
                path.unlink(missing_ok=True)
        try:
            await _in_thread(self._folder.close)
        except OSError as error:
            raise unwilling(error) from error

    async def _answer(self, request: Request) -> Reply:
        path, _, query = request.url.removeprefix(_ORIGIN).partition("?")
        found = _ROUTE.fullmatch(path)
        assert found is not None, f"a client asks for nothing else: {path}"
        noun, name, session = found.groups()
        if noun == "blobs" and name == "uploads":
            return await self._upload(request, session, parse_qs(query))
        if noun == "blobs":
            return await self._blob(request, Digest.parse(name))
        async with self._turn:
            if noun == "tags":
                return await self._tags(request)
            if noun == "referrers":
                return _listing(
                    request, await _in_thread(self._folder.referrers, Digest.parse(name))
                )
            if request.method == "PUT":
                return await self._put(request, name)
            if request.method == "DELETE":
                return Reply(HTTPStatus.METHOD_NOT_ALLOWED, request.url)
            return await self._manifest(request, name)

    async def _tags(self, request: Request) -> Reply:
        if not await _in_thread(lambda: self._folder.exists):
            return Reply(HTTPStatus.NOT_FOUND, request.url)
        names = await _in_thread(self._folder.names)
        return _whole(request, msgspec.json.encode({"tags": names}), "application/json")

    async def _manifest(self, request: Request, target: str) -> Reply:
        found = await _in_thread(self._folder.manifest, target)
        if found is None:
            return Reply(HTTPStatus.NOT_FOUND, request.url)
        content, media_type = found
        algorithm = target.partition(":")[0] if ":" in target else "sha256"
        digest = Digest.of(content, algorithm)
        return _whole(request, content, media_type, {DIGEST_HEADER: str(digest)})

    async def _put(self, request: Request, target: str) -> Reply:
        assert isinstance(request.body, bytes), "a manifest is not a stream"
        digest = Digest.parse(target) if ":" in target else None
        manifest = Manifest.parse(request.body, request.headers["Content-Type"], digest)
        await _in_thread(self._folder.put, target, manifest)
        headers = {DIGEST_HEADER: str(manifest.digest)}
        return Reply(HTTPStatus.CREATED, request.url, headers)

    async def _blob(self, request: Request, digest: Digest) -> Reply:
        path = self._folder.blob(digest)
        if not await _in_thread(path.is_file):
            return Reply(HTTPStatus.NOT_FOUND, request.url)
        size = (await _in_thread(path.stat)).st_size
        first, last = 0, size - 1
        if wanted := _RANGE.fullmatch(request.headers.get("Range", "")):
            first, last = int(wanted[1]), min(last, int(wanted[2] or last))
        if first > last and size:
            return Reply(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, request.url)
        headers = {"Content-Length": str(last + 1 - first), DIGEST_HEADER: str(digest)}
        chunks = _chunks(path, first, last + 1 - first) if request.method == "GET" else None
        if wanted is None:
            return Reply(HTTPStatus.OK, request.url, headers, chunks)
        headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        return Reply(HTTPStatus.PARTIAL_CONTENT, request.url, headers, chunks)

    async def _upload(
        self, request: Request, session: str | None, query: dict[str, list[str]]
    ) -> Reply:
        """Open, write, commit or drop an upload."""
        if request.method == "POST":
            return await self._open(request, query)
        path = self._sessions.get(session or "")
        if path is None:
            return Reply(HTTPStatus.NOT_FOUND, request.url)
        if request.method == "DELETE":
            del self._sessions[path.name]
            await _in_thread(partial(path.unlink, missing_ok=True))
            return Reply(HTTPStatus.NO_CONTENT, request.url)
        if request.method == "GET":
            return _accepted(request, path, (await _in_thread(path.stat)).st_size)
        await _append(path, request)
        if request.method == "PATCH":
            return _accepted(request, path, (await _in_thread(path.stat)).st_size)
        digest = Digest.parse(query["digest"][0])
        await _in_thread(self._folder.take, path, digest)
        del self._sessions[path.name]
        return Reply(HTTPStatus.CREATED, request.url, {DIGEST_HEADER: str(digest)})

    async def _open(self, request: Request, query: dict[str, list[str]]) -> Reply:
        if "mount" in query:
            digest = Digest.parse(query["mount"][0])
            origin = self._neighbour(query["from"][0])
            if await _in_thread(self._mounted, digest, origin):
                return Reply(HTTPStatus.CREATED, request.url, {DIGEST_HEADER: str(digest)})
        path = await _in_thread(self._folder.partial)
        await _in_thread(path.touch)
        self._sessions[path.name] = path
        return _accepted(request, path, 0)

    def _mounted(self, digest: Digest, origin: Folder) -> bool:
        """Take a blob over from another folder, or find it here."""
        own, other = self._folder.blob(digest), origin.blob(digest)
        if own.is_file():
            return True
        if not other.is_file() or not _is(digest, other):
            return False
        path = self._folder.partial()
        with removed_if_it_fails(path):
            try:
                os.link(other.resolve(), path)
            except OSError:
                shutil.copyfile(other, path)  # another disk, or one that knows no links
            self._folder.take(path, digest)
        return True


def _is(digest: Digest, path: Path) -> bool:
    """Whether a file's content is what it is called; a linked file is checked nowhere else."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, digest.algorithm).hexdigest() == digest.hex


async def _in_thread(work: Callable[..., _Result], *arguments: object) -> _Result:
    return await anyio.to_thread.run_sync(work, *arguments)


async def _chunks(path: Path, first: int, length: int) -> AsyncIterator[bytes]:
    try:
        async with await anyio.open_file(path, "rb") as file:
            await file.seek(first)
            while length and (chunk := await file.read(min(_CHUNK, length))):
                length -= len(chunk)
                yield chunk
    except OSError as error:
        raise unwilling(error) from error


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content


async def _append(path: Path, request: Request) -> None:
    async with await anyio.open_file(path, "ab") as file:
        if isinstance(request.body, bytes):
            await file.write(request.body)
            return
        async for chunk in request.body:
            await file.write(chunk)


def _accepted(request: Request, path: Path, size: int) -> Reply:
    base = request.url.partition("/blobs/uploads")[0]
    headers = {"Location": f"{base}/blobs/uploads/{quote(path.name)}", "Range": f"0-{size - 1}"}
    status = HTTPStatus.NO_CONTENT if request.method == "GET" else HTTPStatus.ACCEPTED
    return Reply(status, request.url, headers)


def _listing(request: Request, content: bytes | None) -> Reply:
    if content is None:
        return Reply(HTTPStatus.NOT_FOUND, request.url)
    return _whole(request, content, OCI_INDEX)


def _whole(
    request: Request, content: bytes, media_type: str, more: dict[str, str] | None = None
) -> Reply:
    headers = {"Content-Type": media_type, "Content-Length": str(len(content)), **(more or {})}
    chunks = _once(content) if request.method == "GET" else None
    return Reply(HTTPStatus.OK, request.url, headers, chunks)


def unwilling(error: OSError) -> RegistryError:
    """Return what a disk's refusal amounts to."""
    return RegistryError(
        f"{error.filename or 'the folder'}: {error.strerror or error}",
        hint="Check that the folder can be written, and that there is room.",
    )
