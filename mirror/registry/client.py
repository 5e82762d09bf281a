"""One repository of one registry: look, read, write, list, delete.

Every answer is checked here, once, and every failure says which side, which
reference, what was attempted and what came back.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus

from mirror.effort import note_attempts
from mirror.errors import (
    DigestMismatch,
    Incomplete,
    IntegrityError,
    InvalidManifest,
    NotFound,
    QuotaUsed,
    Refused,
    RegistryError,
    SizeMismatch,
    Unsupported,
)
from mirror.image.digest import Digest, Verifier
from mirror.image.manifest import OCI_INDEX, SIZE_LIMIT, Descriptor, Manifest
from mirror.image.reference import Reference, Repository
from mirror.image.referrers_index import fallback_tag, merged
from mirror.place import Side
from mirror.registry.backoff import Backoff
from mirror.registry.blob_reader import BlobReader, read
from mirror.registry.capabilities import Capabilities
from mirror.registry.error_context import ErrorContext
from mirror.registry.fanout import Chunks, FanOut
from mirror.registry.pagination import names
from mirror.registry.parallel_download import WORTHWHILE, ParallelDownload
from mirror.registry.spare_connections import ConnectionBudget
from mirror.registry.uploads import Uploads
from mirror.wire.download import Download
from mirror.wire.error_response import ERROR_LIMIT, failure
from mirror.wire.listing import PagedNames, tags_of
from mirror.wire.message import Send
from mirror.wire.referrers import Fallback, ReferrerList, Referrers
from mirror.wire.requests import (
    ask_blob,
    ask_delete_manifest,
    ask_manifest,
    ask_put_manifest,
    ask_repository,
    described,
    stated_digest,
)

_GONE = (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)
# What registries say that delete digests only, in answer to a tag.
_NO_TAGS = (HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED)
_DELETE = "Turn deletion on at the registry, REGISTRY_STORAGE_DELETE_ENABLED=true for distribution."
_STORED = (HTTPStatus.CREATED, HTTPStatus.OK, HTTPStatus.ACCEPTED)
# Codes that mean, in answer to a manifest, that something it names is not there.
# docker-registry says of a child that is being linked by another request at that moment that
# its digest is invalid.
_MISSES = {"MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN", "DIGEST_INVALID"}


class Client:
    """A repository as seen from one side of a copy."""

    def __init__(
        self,
        send: Send,
        repository: Repository,
        side: Side,
        capabilities: Capabilities | None = None,
        backoff: Backoff | None = None,
        fan_out: FanOut | None = None,
        budget: ConnectionBudget | None = None,
    ) -> None:
        self._known = capabilities or Capabilities()
        self._send = send
        self._repository = repository
        self.repository = repository
        self._work = ErrorContext(repository, side)
        self.uploads = Uploads(send, repository, self._work, self._known)
        """The uploads into it."""
        self._backoff = backoff or Backoff()
        self._fan_out = fan_out
        self._budget = budget

    async def resolve(self, target: str) -> Descriptor:
        """Return what a tag or digest names, with one HEAD where registries answer it in full.

        Raises NotFound if there is no such manifest.
        """
        with self._work.doing("looking up the manifest", target):
            async with self._send(ask_manifest(self._repository, target, "HEAD")) as reply:
                self._known.see(self._repository.registry.host, reply)
                note_attempts(reply.attempts)
                if reply.status == HTTPStatus.OK and (found := described(reply)) is not None:
                    return found
                # No body follows a HEAD, so 404 says all there is to say; after
                # anything else, a GET says more.
                if reply.status == HTTPStatus.NOT_FOUND:
                    raise failure(reply)
            content, media_type = await self._read_manifest(target)
            return Descriptor(Digest.of(content), len(content), media_type)

    async def manifest(self, target: str, digest: Digest | None = None) -> Manifest:
        """Return the manifest behind a tag or digest.

        Its bytes hash to ``digest`` if that is given.  Raises NotFound,
        IntegrityError, InvalidManifest or Unsupported.
        """
        with self._work.doing("reading the manifest", target):
            content, media_type = await self._read_manifest(target)
            actual = Digest.of(content, digest.algorithm if digest is not None else "sha256")
            if digest is not None and actual != digest:
                raise DigestMismatch(expected=str(digest), actual=str(actual))
            return Manifest.parse(content, media_type, actual)

    async def _read_manifest(self, target: str) -> tuple[bytes, str]:
        """Return the bytes of a manifest, and the media type that came with them.

        Raises QuotaUsed, without asking, if the registry said that it gives no more.
        """
        if not self._known.quota.take():
            raise QuotaUsed(f"no pulls are left of {self._known.quota.limit or 'what is allowed'}")
        async with self._send(ask_manifest(self._repository, target)) as reply:
            self._known.see(self._repository.registry.host, reply)
            await self._work.expect(reply, HTTPStatus.OK)
            content = await read(reply, SIZE_LIMIT)
        if len(content) > SIZE_LIMIT:
            raise InvalidManifest(f"the manifest is larger than {SIZE_LIMIT >> 20} MiB")
        return content, reply.media_type

    async def has(self, digest: Digest) -> bool:
        """Whether a blob is in the repository."""
        with self._work.doing("looking for the blob", str(digest)):
            async with self._send(ask_blob(self._repository, digest, "HEAD")) as reply:
                if reply.status == HTTPStatus.NOT_FOUND:
                    return False
                await self._work.expect(reply, HTTPStatus.OK)
                return True

    async def check_blob(self, blob: Descriptor) -> bool:
        """Whether a blob is in the repository; SizeMismatch if it is another, by its length."""
        with self._work.doing("looking for the blob", str(blob.digest)):
            async with self._send(ask_blob(self._repository, blob.digest, "HEAD")) as reply:
                if reply.status == HTTPStatus.NOT_FOUND:
                    return False
                await self._work.expect(reply, HTTPStatus.OK)
                if reply.length not in (None, blob.size):
                    raise SizeMismatch(expected=blob.size, actual=reply.length or 0)
                return True

    async def check_manifest(self, digest: Digest, *, deep: bool) -> bool:
        """Whether a manifest is in the repository; IntegrityError if it is another.

        Its bytes are only looked at if ``deep``.
        """
        try:
            if deep:
                await self.manifest(str(digest), digest)
            elif (found := (await self.resolve(str(digest))).digest) != digest:
                with self._work.doing("looking up the manifest", str(digest)):
                    raise DigestMismatch(expected=str(digest), actual=str(found))
        except NotFound:
            return False
        return True

    async def exists(self) -> bool:
        """Whether the repository is there, as far as its tag list says."""
        with self._work.doing("looking for the repository"):
            async with self._send(ask_repository(self._repository)) as reply:
                if reply.status == HTTPStatus.NOT_FOUND:
                    return False
                await self._work.expect(reply, HTTPStatus.OK)
                return True

    @property
    def shares(self) -> bool:
        """Whether what `read` gives may be one reading for several."""
        return self._fan_out is not None

    def read(self, blob: Descriptor, first: int = 0) -> Chunks:
        """Return the chunks of a blob from a byte on; the reader holds them to their digest.

        From the first byte on it may be one reading for several who read the same.
        """
        if first or self._fan_out is None:
            return self._read(blob, first)
        return self._fan_out.read(self._repository, blob.digest, partial(self._read, blob))

    def _read(self, blob: Descriptor, first: int) -> Chunks:
        open_at = partial(self._read_part, blob)
        if (
            self._budget is None
            or not self._budget.parallelism.useful
            or blob.size - first < WORTHWHILE
        ):
            return open_at(first)
        return ParallelDownload(first, blob.size, self._budget, open_at)

    def _read_part(self, blob: Descriptor, first: int, last: int | None = None) -> Chunks:
        download = Download(self._repository, blob.digest, blob.size, first, last, blob.urls)
        return BlobReader(self._send, download, self._backoff, note_attempts)

    @contextmanager
    def reading(self, blob: Descriptor) -> Iterator[None]:
        """Add the place to every error raised while chunks of `read` are consumed."""
        with self._work.doing("reading the blob", str(blob.digest)):
            try:
                yield
            except IntegrityError:
                if self._fan_out is not None:
                    self._fan_out.distrust(self._repository, blob.digest)
                if self._budget is not None:
                    self._budget.parallelism.fails()  # whose fault it is shows without pieces
                raise

    def check_empty(self, blob: Descriptor) -> None:
        """Raise IntegrityError unless no bytes at all are what an empty blob should be."""
        with self._work.doing("reading the blob", str(blob.digest)):
            Verifier(blob.digest, 0).finish()

    async def put(self, manifest: Manifest, target: str) -> None:
        """Store a manifest under a tag or digest."""
        with self._work.doing("pushing the manifest", target):
            async with self._send(ask_put_manifest(self._repository, target, manifest)) as reply:
                try:
                    await self._work.expect(reply, *_STORED)
                except RegistryError as error:
                    if error.code in _MISSES:
                        raise Incomplete(error.message) from error
                    raise
                _check_stored(manifest, stated_digest(reply))

    async def delete(self, reference: Reference) -> bool:
        """Delete a tag or a manifest; False if the registry deletes no tags.

        Afterwards it is not there, also if another client deleted it.
        """
        with self._work.doing("deleting", reference.target):
            async with self._send(ask_delete_manifest(self._repository, reference.target)) as reply:
                if reply.status in _NO_TAGS and reference.digest is None:
                    return False
                if reply.status == HTTPStatus.METHOD_NOT_ALLOWED:
                    raise Unsupported("405: nothing can be deleted here", hint=_DELETE)
                gone = reply.status == HTTPStatus.NOT_FOUND
                await self._work.expect(reply, *_STORED, *_GONE)
            # Some that delete no tags say so with a 404; others mean that it is not there.
            if gone and await self._is_there(reference):
                if reference.digest is None:
                    return False
                raise Unsupported("404, though it is there", hint=_DELETE)
            return True

    async def _is_there(self, reference: Reference) -> bool:
        try:
            await self.resolve(reference.target)
        except NotFound:
            return False
        return True

    async def referrers(
        self, subject: Digest, fallback: Fallback = Fallback.INSTEAD
    ) -> ReferrerList:
        """Return the referrers of a manifest: the registry's list, or the fallback tag."""
        with self._work.doing("listing the referrers", str(subject)):
            listed = self._known.lists_referrers
            asking = Referrers(self._repository, subject, listed=listed, fallback=fallback)
            while not asking.over:
                async with self._send(asking.request()) as reply:
                    note_attempts(reply.attempts)
                    ok = reply.status == HTTPStatus.OK
                    content = await read(reply, SIZE_LIMIT if ok else ERROR_LIMIT)
                    if not asking.answered(reply, content):
                        raise failure(reply, content)
            self._known.see_referrers(listed=asking.listed)
            return ReferrerList(tuple(asking.found.values()), asking.listed, asking.alone)

    async def merge_referrers(
        self, subject: Digest, referrers: Iterable[Descriptor], whole: Manifest | None = None
    ) -> Manifest | None:
        """Add to the list that a tag stands for; return it, or None if all was in it already.

        A list that is not there yet is ``whole``, if that is given.  Others must not write
        the same list meanwhile: no registry keeps two writers apart.
        """
        tag = fallback_tag(subject)
        with self._work.doing("adding to the list of referrers", tag):
            async with self._send(ask_manifest(self._repository, tag)) as reply:
                await self._work.expect(reply, HTTPStatus.OK, HTTPStatus.NOT_FOUND)
                there = reply.status == HTTPStatus.OK
                content = await read(reply, SIZE_LIMIT) if there else None
            if content is not None and not _is_list(content, reply.media_type):
                raise Refused(
                    "the tag names something that is not a list of referrers",
                    hint="Move that tag away: registries without such lists need it for one.",
                )
            if content is None and whole is not None:
                await self.put(whole, tag)
                return whole
            if (more := merged(content, referrers)) is None:
                return None
            index = Manifest.parse(more, OCI_INDEX)
            await self.put(index, tag)
            return index

    async def tags(self) -> PagedNames:
        """Return the repository's tags, all of them."""
        with self._work.doing("listing the tags"):
            return await names(self._send, tags_of(self._repository))


def _is_list(content: bytes, media_type: str) -> bool:
    return Manifest.parse(content, media_type).media_type == OCI_INDEX


def _check_stored(manifest: Manifest, stored: Digest | None) -> None:
    """Raise DigestMismatch if a registry stored something else, by whichever algorithm it says."""
    if stored is None:
        return
    sent = Digest.of(manifest.content, stored.algorithm)
    if stored != sent:
        raise DigestMismatch(expected=str(sent), actual=str(stored))
