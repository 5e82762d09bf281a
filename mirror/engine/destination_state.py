"""What a run knows of its destinations: what is there, and whether they mount.

Only what was seen counts: a blob or manifest is known to be there after the
registry said so or took it from us, never because it was not found elsewhere.
"""

from collections import Counter
from collections.abc import Iterable

from mirror.image.digest import Digest
from mirror.image.reference import Reference, Registry, Repository
from mirror.options import Options
from mirror.wire.upload_strategy import seed

# Refusals of a blob that is known to be there, after which a registry is taken
# at its word; one alone may be a replica that lags behind.
_MOUNT_REFUSALS = 5


class DestinationState:
    """Which repositories, blobs and manifests are at the destinations."""

    def __init__(self, options: Options, *, writes: bool = True) -> None:
        """Without ``writes``, what a mount would tell by the way has to be asked for."""
        self._force = options.force
        self._skip_mount = options.skip_mount
        self._writes = writes
        self._exists: dict[Repository, bool] = {}
        self._looked: set[Repository] = set()
        self._manifests: set[tuple[Repository, Digest]] = set()
        self._tags: dict[Reference, Digest] = {}
        self._blobs: set[tuple[Repository, Digest]] = set()
        self._home: dict[tuple[Registry, Digest], Repository] = {}
        self._refusals: Counter[Registry] = Counter()
        self._look_refusals: Counter[Registry] = Counter()

    def exists(self, repository: Repository) -> bool | None:
        """Whether a repository was there before this run wrote to it; None if unknown."""
        return self._exists.get(repository)

    def found_repository(self, repository: Repository) -> None:
        """Note that a repository is there."""
        self._exists[repository] = True

    def missed_repository(self, repository: Repository) -> None:
        """Note that a repository is not there."""
        self._exists.setdefault(repository, False)

    def has_manifest(self, repository: Repository, digest: Digest) -> bool:
        """Whether a manifest is known to be in a repository, with everything below it."""
        return (repository, digest) in self._manifests

    def add_manifest(self, repository: Repository, digest: Digest) -> None:
        """Note that a manifest is in a repository, with everything below it."""
        self._manifests.add((repository, digest))

    def names(self, tag: Reference, digest: Digest) -> bool:
        """Whether this run put this under a tag, as far as that was noted."""
        return self._tags.get(tag) == digest

    def add_tag(self, tag: Reference, digest: Digest) -> None:
        """Note what was put under a tag; only for tags made of digests, of which there are few."""
        self._tags[tag] = digest

    def has_blob(self, repository: Repository, digest: Digest) -> bool:
        """Whether a blob is known to be in a repository."""
        return (repository, digest) in self._blobs

    def add_blob(self, repository: Repository, digest: Digest) -> None:
        """Note that a blob is in a repository."""
        self._blobs.add((repository, digest))
        self._home.setdefault((repository.registry, digest), repository)

    def home(self, registry: Registry, digest: Digest) -> Repository | None:
        """Return the first repository of a registry that is known to have a blob."""
        return self._home.get((registry, digest))

    def distrust(self, repository: Repository, digests: Iterable[Digest]) -> None:
        """Forget blobs and manifests that a registry, asked in another way, does not have."""
        for digest in digests:
            self._blobs.discard((repository, digest))
            self._manifests.discard((repository, digest))
            if self._home.get((repository.registry, digest)) == repository:
                del self._home[repository.registry, digest]

    def mount_refused(self, destination: Repository, origin: Repository) -> None:
        """Note that a registry would not mount a blob from there."""
        if origin == destination:
            self._look_refusals[destination.registry] += 1
        else:
            self._refusals[destination.registry] += 1

    def mounts(self, registry: Registry) -> bool:
        """Whether to mount blobs there, by what was asked for and what it said so far."""
        if self._skip_mount or not seed(registry.host).mounts:
            return False
        return self._refusals[registry] < _MOUNT_REFUSALS

    def looks_by_mount(self, registry: Registry) -> bool:
        """Whether a mount from a repository into itself tells there if a blob is present."""
        return self.mounts(registry) and self._look_refusals[registry] < _MOUNT_REFUSALS

    def needs_look(self, repository: Repository) -> bool:
        """Whether to ask if the repository exists, before blobs are sent to it.

        A mount answers that by the way, but cannot be tried where nothing is written.
        """
        if repository in self._exists or self._force:
            return False
        return not (self._writes and self.looks_by_mount(repository.registry))

    def asks_only_in_dry_run(self, repository: Repository) -> bool:
        """Whether questions to a repository are asked only because nothing is written.

        True from the first such question on, whatever its answer.
        """
        if self.needs_look(repository) and self.looks_by_mount(repository.registry):
            self._looked.add(repository)
        return repository in self._looked

    def mount_source(
        self, source: Repository, destination: Repository, digest: Digest, *, may_exist: bool
    ) -> Repository | None:
        """Return where to mount a blob from, at this moment; None to upload it.

        If the blob ``may_exist``, it is mounted from the destination itself: 201 says that it
        is there, 202 opens the session that is needed if it is not.  Both save a HEAD.
        """
        registry = destination.registry
        if not self.mounts(registry):
            return None
        if (home := self._home.get((registry, digest))) is not None:
            return home
        if source.registry == registry:
            return source
        return destination if may_exist and self.looks_by_mount(registry) else None
