"""Work on one repository: every failure says where it was, and what may help there."""

from types import TracebackType

from mirror.effort import note_attempts
from mirror.errors import MirrorError
from mirror.image.reference import Repository
from mirror.place import Place, Side
from mirror.registry.blob_reader import expect
from mirror.wire.hints import advise
from mirror.wire.message import Reply


class ErrorContext:
    """What is done with a repository as one side of a copy."""

    def __init__(self, repository: Repository, side: Side) -> None:
        self.repository = repository
        self.side = side

    def doing(self, attempted: str, target: str = "") -> "_Doing":
        """Have every error of the block say what was being done, and where, and what to try."""
        return _Doing(self, attempted, target)

    def note(self, reply: Reply) -> None:
        """Note how hard a reply was to get."""
        note_attempts(reply.attempts)

    async def expect(self, reply: Reply, *statuses: int) -> None:
        """Raise what a reply amounts to, unless it has one of these statuses."""
        note_attempts(reply.attempts)
        await expect(reply, *statuses)


class _Doing:
    """A block in which something is done; nothing is put together before it fails."""

    __slots__ = ("_attempted", "_target", "_work")

    def __init__(self, work: ErrorContext, attempted: str, target: str) -> None:
        self._work = work
        self._attempted = attempted
        self._target = target

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not isinstance(error, MirrorError):
            return
        note_attempts(error.attempts)
        repository, side, target = self._work.repository, self._work.side, self._target
        joint = "@" if ":" in target else ":"
        reference = f"{repository}{joint}{target}" if target else str(repository)
        place = Place(side, reference, self._attempted)
        raise advise(error, repository, side).at(place) from error.__cause__
