"""Blobs, manifests, tags and upload sessions, in memory.

An honest registry: nothing is stored whose digest was not computed here, no
manifest without what it needs.  No HTTP: `mirror.demo.server` speaks that.
Distribution specification 1.1.
"""

import uuid
from bisect import bisect_right
from collections.abc import Iterator

import msgspec
from msgspec import Struct, field

from mirror.errors import RegistryError
from mirror.image.digest import Digest
from mirror.image.manifest import Manifest
from mirror.image.reference import is_path, is_tag


class Refusal(Exception):
    """A request that the registry does not fulfil, in the specification's terms."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


class Session(Struct):
    """An upload that is not committed yet."""

    name: str
    content: bytearray = field(default_factory=bytearray)


class _Repository(Struct):
    blobs: set[Digest] = field(default_factory=set)
    manifests: dict[Digest, Manifest] = field(default_factory=dict)
    tags: dict[str, Digest] = field(default_factory=dict)
    # What refers to a digest, whether that is there or not.
    referrers: dict[Digest, dict[Digest, None]] = field(default_factory=dict)


class Store:
    """The content of a registry."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.whole_indexes = True
        """Whether all that an index names must be there."""
        self._content: dict[Digest, bytes] = {}
        self._repositories: dict[str, _Repository] = {}

    # Reading.

    def names(self) -> list[str]:
        """Return the repositories, in lexical order."""
        return sorted(self._repositories)

    def tags(self, name: str) -> list[str]:
        """Return the tags of a repository, in lexical order."""
        return sorted(self._known(name).tags)

    def blob(self, name: str, digest: Digest) -> bytes:
        """Return a blob of a repository."""
        if digest not in self._known(name).blobs:
            raise Refusal(404, "BLOB_UNKNOWN", f"{digest} is not in {name}")
        return self._content[digest]

    def manifest(self, name: str, target: str) -> Manifest:
        """Return the manifest behind a tag or digest."""
        repository = self._known(name)
        digest = parse_digest(target) if ":" in target else repository.tags.get(target)
        if digest not in repository.manifests:
            raise Refusal(404, "MANIFEST_UNKNOWN", f"{target} is not in {name}")
        return repository.manifests[digest]

    def manifests(self, name: str) -> list[Digest]:
        """Return the digests of all manifests of a repository."""
        return list(self._known(name).manifests)

    def referrers(self, name: str, subject: Digest) -> Iterator[Manifest]:
        """Give the manifests whose subject this digest is."""
        repository = self._repositories.get(name, _Repository())
        for digest in repository.referrers.get(subject, {}):
            yield repository.manifests[digest]

    # Blobs.

    def open(self, name: str) -> str:
        """Open an upload session and return its identifier."""
        self._make(name)
        identifier = str(uuid.uuid4())
        self.sessions[identifier] = Session(name)
        return identifier

    def session(self, name: str, identifier: str) -> Session:
        """Return an open session of a repository."""
        session = self.sessions.get(identifier)
        if session is None or session.name != name:
            raise Refusal(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload session")
        return session

    def close(self, name: str, identifier: str) -> None:
        """Forget an open session."""
        self.session(name, identifier)
        del self.sessions[identifier]

    def commit(self, name: str, identifier: str, expected: str) -> Digest:
        """Close a session and store what it holds; the session is over if that fails, too."""
        session = self.session(name, identifier)
        del self.sessions[identifier]
        return self.add_blob(name, bytes(session.content), parse_digest(expected))

    def add_blob(self, name: str, content: bytes, expected: Digest | None = None) -> Digest:
        """Store a blob in a repository."""
        digest = Digest.of(content, expected.algorithm if expected else "sha256")
        if expected is not None and digest != expected:
            raise Refusal(400, "DIGEST_INVALID", f"expected {expected}, received {digest}")
        self._content[digest] = content
        self._make(name).blobs.add(digest)
        return digest

    def mount(self, name: str, digest: Digest, origin: str | None) -> bool:
        """Take a blob over from another repository, or from any; return whether it was there."""
        origins = [origin] if origin is not None else list(self._repositories)
        known = (self._repositories.get(one, _Repository()) for one in origins)
        if not any(digest in repository.blobs for repository in known):
            return False
        self._make(name).blobs.add(digest)
        return True

    def delete_blob(self, name: str, digest: Digest) -> None:
        """Remove a blob from a repository."""
        self.blob(name, digest)
        self._known(name).blobs.remove(digest)

    # Manifests.

    def put_manifest(self, name: str, target: str, content: bytes, media_type: str) -> Manifest:
        """Store a manifest under a tag or digest; everything it names must be there."""
        expected = parse_digest(target) if ":" in target else None
        if expected is None and not is_tag(target):
            raise Refusal(400, "TAG_INVALID", f"{target!r} is not a tag")
        digest = Digest.of(content, expected.algorithm if expected else "sha256")
        if expected not in (None, digest):
            raise Refusal(400, "DIGEST_INVALID", f"expected {expected}, received {digest}")
        try:
            manifest = Manifest.parse(content, media_type, digest)
        except RegistryError as error:
            raise Refusal(400, "MANIFEST_INVALID", error.message) from error
        self._check(name, manifest)
        repository = self._make(name)
        repository.manifests[digest] = manifest
        if manifest.subject is not None:
            repository.referrers.setdefault(manifest.subject, {})[digest] = None
        if expected is None:
            repository.tags[target] = digest
        return manifest

    def delete_manifest(self, name: str, target: str) -> None:
        """Remove a tag, or a manifest with all its tags."""
        manifest = self.manifest(name, target)
        repository = self._known(name)
        if ":" not in target:
            del repository.tags[target]
            return
        del repository.manifests[manifest.digest]
        if manifest.subject is not None:
            del repository.referrers[manifest.subject][manifest.digest]
        repository.tags = {
            tag: digest for tag, digest in repository.tags.items() if digest != manifest.digest
        }

    def _check(self, name: str, manifest: Manifest) -> None:
        repository = self._repositories.get(name, _Repository())
        for blob in manifest.blobs:
            if not blob.foreign and blob.digest not in repository.blobs:
                raise Refusal(404, "MANIFEST_BLOB_UNKNOWN", f"{blob.digest} is not in {name}")
        for child in manifest.manifests if self.whole_indexes else ():
            if child.digest not in repository.manifests:
                raise Refusal(404, "MANIFEST_BLOB_UNKNOWN", f"{child.digest} is not in {name}")

    def _known(self, name: str) -> _Repository:
        try:
            return self._repositories[name]
        except KeyError:
            raise Refusal(404, "NAME_UNKNOWN", f"there is no repository {name}") from None

    def _make(self, name: str) -> _Repository:
        if not is_path(name):
            raise Refusal(400, "NAME_INVALID", f"{name!r} is not a repository name")
        return self._repositories.setdefault(name, _Repository())


def page(names: list[str], count: int | None, last: str | None) -> tuple[list[str], bool]:
    """Return the names after ``last``, at most ``count``, and whether more follow."""
    after = names[bisect_right(names, last) :] if last is not None else names
    if count is None or count >= len(after):
        return after, False
    return after[:count], count > 0


def describe(manifest: Manifest) -> dict[str, object]:
    """Describe a manifest as the index of a subject's referrers does."""
    descriptor = manifest.descriptor
    found: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": str(descriptor.digest),
        "size": descriptor.size,
    }
    if kind := manifest.artifact_type or (manifest.config.media_type if manifest.config else ""):
        found["artifactType"] = kind
    annotations = msgspec.json.decode(manifest.content).get("annotations")
    return {**found, "annotations": annotations} if annotations else found


def parse_digest(text: str) -> Digest:
    """Read a digest as a client sent it; raise Refusal if it is none."""
    try:
        return Digest.parse(text)
    except ValueError as error:
        raise Refusal(400, "DIGEST_INVALID", str(error)) from error
