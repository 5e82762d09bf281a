"""Work on one repository: every failure says where it was, and what may help there."""

from collections.abc import Iterator
from contextlib import contextmanager

from mirror.errors import MirrorError, Place, Side, placed
from mirror.events import Effort
from mirror.image.reference import Repository
from mirror.registry.reading import expect
from mirror.wire.advice import advise
from mirror.wire.message import Reply


class Work:
    """What is done with a repository as one side of a copy; notes how hard it was."""

    def __init__(self, repository: Repository, side: Side, effort: Effort) -> None:
        self._repository = repository
        self._side = side
        self._effort = effort

    @contextmanager
    def doing(self, attempted: str, target: str = "") -> Iterator[None]:
        """Tell every error what was being done, and where, and what to try there."""
        joint = "@" if ":" in target else ":"
        reference = f"{self._repository}{joint}{target}" if target else str(self._repository)
        with placed(Place(self._side, reference, attempted)):
            try:
                yield
            except MirrorError as error:
                self._effort.note(error.attempts)
                advise(error, self._repository, self._side)
                raise

    def note(self, reply: Reply) -> None:
        """Note how hard a reply was to get."""
        self._effort.note(reply.attempts)

    async def expect(self, reply: Reply, *statuses: int) -> None:
        """Raise what a reply amounts to, unless it has one of these statuses."""
        self._effort.note(reply.attempts)
        await expect(reply, *statuses)
