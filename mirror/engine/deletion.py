"""Tags on their way out of a destination, one by one.

    its sources, asked once more: not there --> what it names --> the tag is deleted
                                                 no tags are deleted there --> is the digest
                                                 used otherwise? --> the digest is deleted

What was listed some time ago may be wrong by now, so that no tag goes that its source
still names when it is asked for it.  Every tag is told of once.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mirror.engine.concurrency import together
from mirror.engine.requests import Destination, Source
from mirror.engine.usage import Usages
from mirror.errors import MirrorError, NotFound, Place, Refused, Side
from mirror.events import DestinationChanging, PruneSettled, Pruning, Tell
from mirror.image.digest import Digest
from mirror.image.reference import Reference
from mirror.mapping.grammar import Rule
from mirror.mapping.terms import name_of


@dataclass(slots=True, eq=False)
class Leaving:
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
        self, source: Source, destination: Destination, usages: Usages, emit: Tell
    ) -> None:
        self.usages = usages
        self._source = source
        self._destination = destination
        self._emit = emit
        self._known: dict[Reference, Leaving] = {}
        self._closed = False

    async def delete(self, leaving: Iterable[Leaving]) -> None:
        """Delete tags, but those that another mapping has asked for; each is told of."""
        fresh = [one for one in leaving if self._known.setdefault(one.reference, one) is one]
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

    async def _delete(self, leaving: Leaving) -> None:
        try:
            deleted = await self._delete_unless_kept(leaving)
        except _Kept as reason:
            place = Place(Side.DESTINATION, str(leaving.reference), "deleting the tag")
            self._settle(leaving, Pruning.KEPT, Refused(str(reason), hint="").at(place))
        except MirrorError as error:
            self._settle(leaving, Pruning.FAILED, error)
        else:
            if deleted:
                done = Pruning.PRUNED if self._destination.writes else Pruning.PLANNED
                self._settle(leaving, done)
            leaving.over = True

    async def _delete_unless_kept(self, leaving: Leaving) -> bool:
        """Delete a tag; return False if it was gone already.  Raises _Kept where it has to stay."""
        async with together() as tasks:
            for source in leaving.sources:
                tasks.start_soon(self._check_gone, source)
        found = await self._destination.resolve(leaving.reference)
        if found is None or leaving.over:
            return False
        leaving.digest = found.digest
        if await self._send(leaving, leaving.reference):
            return True
        # The registry deletes by digest only.
        leaving.begun = False
        user = await self.usages.user_of(leaving.reference.repository, found.digest)
        if user:
            raise _Kept(f"this registry deletes digests only, and {user} uses this one")
        if leaving.over:
            return False
        return await self._send(
            leaving, Reference(leaving.reference.repository, digest=found.digest)
        )

    async def _check_gone(self, source: Reference) -> None:
        """Raise _Kept if a source has a tag that it did not list."""
        try:
            await self._source.resolve(source)
        except NotFound:
            return
        raise _Kept(f"{source} is there, though it was not listed")

    async def _send(self, leaving: Leaving, reference: Reference) -> bool:
        if self._destination.writes:
            self._emit(DestinationChanging(str(leaving.reference)))
        leaving.begun = True
        return await self._destination.delete(reference)

    def _settle(self, leaving: Leaving, outcome: Pruning, error: MirrorError | None = None) -> None:
        if leaving.over:
            return
        leaving.over = True
        origin, name = str(leaving.rule.origin), name_of(leaving.rule.terms)
        self._emit(
            PruneSettled(str(leaving.reference), origin, outcome, leaving.digest, error, name)
        )
