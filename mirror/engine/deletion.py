"""Tags on their way out of a destination, one by one.

    its sources, asked once more: not there --> what it names --> the tag is deleted
                                                 no tags are deleted there --> is the digest
                                                 used otherwise? --> the digest is deleted

What was listed some time ago may be wrong by now, so that no tag goes that its source
still names when it is asked for it.  Every tag has one outcome.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mirror.engine.concurrency import together
from mirror.engine.repository_access import Destination, Source
from mirror.engine.usage import Usages
from mirror.errors import MirrorError, NotFound, Refused
from mirror.events import DestinationChanging, Emit, PruneSettled, Pruning
from mirror.image.digest import Digest
from mirror.image.reference import Reference
from mirror.mapping.grammar import Rule
from mirror.mapping.rule_options import name_of
from mirror.place import Place, Side


@dataclass(slots=True, eq=False)
class TagDeletion:
    """A tag that is to go, and the sources that should have it no more."""

    reference: Reference
    rule: Rule
    sources: tuple[Reference, ...]
    digest: Digest | None = None
    """What it names."""
    begun: bool = False
    """Whether its deletion was sent."""
    over: bool = False


class _Kept(Exception):
    """A tag stays, for a reason that is no failure."""


class Deletion:
    """The tags of a run that are to go."""

    def __init__(
        self, source: Source, destination: Destination, usages: Usages, emit: Emit
    ) -> None:
        self.usages = usages
        self._source = source
        self._destination = destination
        self._emit = emit
        self._known: dict[Reference, TagDeletion] = {}
        self._closed = False

    async def delete(self, deletions: Iterable[TagDeletion]) -> None:
        """Delete tags, except those that were asked for before; emit the outcome of each."""
        fresh = [one for one in deletions if self._known.setdefault(one.reference, one) is one]
        for one in fresh:
            self.usages.expect_gone(one.reference)
        async with together() as tasks:
            for one in fresh:
                tasks.start_soon(self._delete, one)

    def close(self) -> None:
        """Send no deletion more; those that are sent come to their end."""
        self._closed = True
        for one in self._known.values():
            if not one.begun:
                self._settle(one, Pruning.DEFERRED)

    def abandon(self) -> None:
        """Tell of all that has not come to its end."""
        for one in self._known.values():
            self._settle(one, Pruning.DEFERRED)

    async def _delete(self, deletion: TagDeletion) -> None:
        try:
            deleted = await self._delete_unless_kept(deletion)
        except _Kept as reason:
            place = Place(Side.DESTINATION, str(deletion.reference), "deleting the tag")
            self._settle(deletion, Pruning.KEPT, Refused(str(reason), hint="").at(place))
        except MirrorError as error:
            self._settle(deletion, Pruning.FAILED, error)
        else:
            if deleted:
                done = Pruning.PRUNED if self._destination.writes else Pruning.PLANNED
                self._settle(deletion, done)
            deletion.over = True

    async def _delete_unless_kept(self, deletion: TagDeletion) -> bool:
        """Delete a tag; return False if it was gone already.  Raises _Kept where it has to stay."""
        async with together() as tasks:
            for source in deletion.sources:
                tasks.start_soon(self._check_gone, source)
        found = await self._destination.resolve(deletion.reference)
        if found is None or deletion.over:
            return False
        deletion.digest = found.digest
        if await self._send(deletion, deletion.reference):
            return True
        # The registry deletes by digest only.
        deletion.begun = False
        user = await self.usages.user_of(deletion.reference.repository, found.digest)
        if user:
            raise _Kept(f"this registry deletes digests only, and {user} uses this one")
        if deletion.over:
            return False
        return await self._send(
            deletion, Reference(deletion.reference.repository, digest=found.digest)
        )

    async def _check_gone(self, source: Reference) -> None:
        """Raise _Kept if a source has a tag that it did not list."""
        try:
            await self._source.resolve(source)
        except NotFound:
            return
        raise _Kept(f"{source} is there, though it was not listed")

    async def _send(self, deletion: TagDeletion, reference: Reference) -> bool:
        if self._destination.writes:
            self._emit(DestinationChanging(str(deletion.reference)))
        deletion.begun = True
        return await self._destination.delete(reference)

    def _settle(
        self, deletion: TagDeletion, outcome: Pruning, error: MirrorError | None = None
    ) -> None:
        if deletion.over:
            return
        deletion.over = True
        origin, name = str(deletion.rule.origin), name_of(deletion.rule.options)
        self._emit(
            PruneSettled(str(deletion.reference), origin, outcome, deletion.digest, error, name)
        )
