"""Every failure this program reports on purpose, in one tree.

    MirrorError                1   something failed
    ├── UsageError             2   the request itself makes no sense; nothing was sent
    │   └── MappingError           a mapping file or argument cannot be read
    │       └── ConfigurationError a configuration cannot be
    ├── Locked                 5   another run is under way
    ├── RegistryError              a registry refused or misbehaved   (registry)
    │   ├── Denied                 it does not let us                 (auth)
    │   │   └── StaleLogin         not any more; another try may
    │   ├── NotFound               it does not have it                (not_found)
    │   ├── Throttled              it asks us to slow down            (rate_limited)
    │   │   └── QuotaUsed          it said beforehand that it would; deferred, not failed
    │   ├── TooLarge               the body is more than it takes     (too_large)
    │   ├── WrongWay               a blob must be sent otherwise
    │   ├── SessionLost            it forgot the upload that was under way
    │   ├── Incomplete             it misses what a manifest names
    │   ├── Refused                a rule of its own forbids it       (policy)
    │   ├── Unsupported            it, or we, cannot do that          (unsupported)
    │   ├── NothingRefers          a signature or such was required   (policy)
    │   ├── NothingSelected        none of the platforms is wanted    (not_found)
    │   └── InvalidManifest        what it gave is not a manifest        (registry)
    ├── NetworkError               nothing came back                  (network)
    │   ├── Truncated              not all of it
    │   │   └── TooSlow            not all of it in time
    │   │       └── DeadlinePassed not before the run's deadline; deferred, not failed
    │   ├── Dropped                the connection had been closed before we used it again
    │   ├── Unreachable            nothing has come back for a while; it is not asked any more
    │   └── Untrusted              the certificate cannot be trusted
    ├── IntegrityError             not the bytes that were promised   (integrity)
    │   ├── Differs            3       a destination is not what its source is
    │   ├── DigestMismatch
    │   ├── SizeMismatch
    │   └── UploadCorrupted                a registry says that it received others than we sent
    └── Bug                        a fault of this program            (unsupported)

The number is the process's exit code, the word in brackets the report's error class.  Errors
are values: what is learnt of one after it was raised makes another, by `MirrorError.but`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from traceback import extract_tb
from typing import ClassVar, Self, TypedDict, Unpack

from mirror.exit_code import ExitCode
from mirror.place import Place


class Facts(TypedDict, total=False):
    """What is known of an error besides its kind."""

    message: str
    hint: str
    retryable: bool
    attempts: int
    place: Place | None
    code: str
    redirected: bool


class MirrorError(Exception):
    """Base class: catch this to catch everything raised deliberately.

    ``message`` says what came back, ``place`` where, as far as that is known.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED
    category: ClassVar[str] = "registry"
    message: str
    place: Place | None = None
    hint: str = ""
    """One sentence for the operator: what to try next."""
    retryable: bool = False
    """Whether the same may go well at another time."""
    attempts: int = 1
    """How often it was tried before this was the answer."""

    def __init__(self, message: str, /, **facts: Unpack[Facts]) -> None:
        super().__init__(message)
        self.__dict__.update(facts, message=message)

    def but(self, **facts: Unpack[Facts]) -> Self:
        """Return the same error with other facts; its cause and its traceback stay."""
        changed = copy(self)
        changed.__dict__.update(facts)
        changed.__cause__ = self.__cause__
        return changed.with_traceback(self.__traceback__)

    def at(self, place: Place | None) -> Self:
        """Return this error, knowing where it happened; the innermost place stays."""
        return self if self.place is not None else self.but(place=place)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__"):  # those are Python's own: the traceback and the cause
            raise AttributeError(f"{name!r} of an error is not assigned: see MirrorError.but")
        super().__setattr__(name, value)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message

    def __reduce__(self) -> tuple[Callable[..., "MirrorError"], tuple[object, ...]]:
        """Go to another process whole, whatever the constructor wants."""
        return _made_again, (type(self), self.args, dict(self.__dict__))


def _made_again(
    kind: type[MirrorError], arguments: tuple[object, ...], facts: dict[str, object]
) -> MirrorError:
    error = kind.__new__(kind, *arguments)
    error.__dict__.update(facts)
    return error


@contextmanager
def placed(place: Place) -> Iterator[None]:
    """Tell every MirrorError that leaves the block where it happened."""
    try:
        yield
    except MirrorError as error:
        raise error.at(place) from error.__cause__


class UsageError(MirrorError):
    """The request itself makes no sense; no registry was contacted."""

    exit_code = ExitCode.USAGE


class MappingError(UsageError):
    """Mappings that cannot be read: every problem of every file and argument."""

    hint = "Each mapping is SOURCE=DESTINATION, or a line SOURCE DESTINATION [DESTINATION ...]."

    problems: tuple[str, ...]

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.__dict__.update(problems=problems)


class ConfigurationError(MappingError):
    """A configuration that cannot be read: every problem of it and of the files it names."""

    hint = "mirror sync --schema prints what a configuration may say, for editors to check it."


class Locked(MirrorError):
    """Another run is under way; nothing was sent."""

    exit_code = ExitCode.UNFINISHED
    hint = "This run did nothing; the other one goes on."


class RegistryError(MirrorError):
    """A registry refused or misbehaved."""

    hint = "The registry's own log may say more about this request."
    code: str = ""
    """The specification's error code, where one came with the answer."""


class Denied(RegistryError):
    """The registry does not let us do that."""

    category = "auth"
    hint = "Log in to this registry, and check that the account may do this in this repository."


class StaleLogin(Denied):
    """The login ran out while a body that can be sent only once was on its way."""


class NotFound(RegistryError):
    """The registry answered, and does not have it."""

    category = "not_found"
    hint = "Check the name; private repositories also answer this to strangers."


class NothingSelected(RegistryError):
    """An index has none of the platforms that are wanted."""

    category = "not_found"


class NothingRefers(RegistryError):
    """Nothing refers to an image of which that was required."""

    category = "policy"
    hint = "Sign it, or attach what is required; --referrers alone copies what there is."


class Throttled(RegistryError):
    """The registry asked us to slow down."""

    category = "rate_limited"
    hint = "Lower --max-per-registry, or log in: known users get larger limits."


class QuotaUsed(Throttled):
    """The registry said beforehand that it would refuse; nothing was asked of it."""

    hint = "Run again when the window is over, or log in: known users get larger limits."


class TooLarge(RegistryError):
    """A body is larger than what is accepted."""

    category = "too_large"
    hint = "Raise the body limit of the registry or of the proxy in front of it."


class WrongWay(RegistryError):
    """A blob was not taken the way it was sent, and there is another way to try."""


class SessionLost(RegistryError):
    """The registry does not know the upload session any more; another can be opened."""

    retryable = True


class Incomplete(RegistryError):
    """The registry refuses a manifest since it misses what the manifest names."""

    hint = "Replicas that lag behind and clean-ups that run meanwhile do this; run again later."


class Refused(RegistryError):
    """A rule forbids it, not a fault."""

    category = "policy"
    hint = "Immutable tags and scan rules do this; choose another tag or change the rule."


class Unsupported(RegistryError):
    """This kind of content or request is not possible here."""

    category = "unsupported"
    hint = ""


class InvalidManifest(RegistryError):
    """A manifest that is not what the specification says a manifest is."""

    hint = "Pull this image with another client; if that fails too, it is broken at its source."


class NetworkError(MirrorError):
    """The connection failed before an answer was complete."""

    redirected: bool = False
    """Whether it was to another host, to which the registry led."""
    category = "network"
    retryable = True
    hint = "Check the host name, the port, and the way there."


class Truncated(NetworkError):
    """An answer began and did not end."""


class TooSlow(Truncated):
    """An answer that carries no blob was not complete in the time that it may take."""

    hint = "Check the registry; --request-timeout lets its answers take longer."


class DeadlinePassed(TooSlow):
    """An answer was waited for when the run's deadline came, and was not complete soon after."""

    retryable = False
    hint = "Run again: only what is left is done."


class Dropped(NetworkError):
    """A kept connection turned out to be closed when it was used again; nothing was heard."""


class Unreachable(NetworkError):
    """Nothing has come back from the host for a while, so this was not even sent."""

    retryable = False
    hint = "Check the registry; when it answers again, run again: only what is left is done."


class Untrusted(NetworkError):
    """The server's certificate cannot be trusted."""

    retryable = False
    hint = "Name its authority with --certificate-authority, or use --insecure."


class IntegrityError(MirrorError):
    """The bytes that arrived are not the bytes that were promised."""

    category = "integrity"
    hint = "Run again; if it repeats, the source or a proxy in between alters content."


class Differs(IntegrityError):
    """A destination lacks something of its source, or has something else in its place."""

    exit_code = ExitCode.DIFFERENT
    hint = "mirror verify --repair brings what is missing."


class Bug(MirrorError):
    """Something that should not happen happened while an image was worked on."""

    category = "unsupported"
    hint = "This is a fault of mirror itself; please report it with what it says here."

    @classmethod
    def of(cls, error: BaseException) -> Self:
        """Return what an unexpected error amounts to, with the line that raised it."""
        frames = extract_tb(error.__traceback__)
        where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
        bug = cls(f"{type(error).__name__}: {error}{where}")
        bug.__cause__ = error
        return bug


class DigestMismatch(IntegrityError):
    """The content hashed to something else."""

    def __init__(self, *, expected: str, actual: str) -> None:
        super().__init__(f"expected {expected}, received {actual}")


class SizeMismatch(IntegrityError):
    """The content was longer or shorter than promised."""

    def __init__(self, *, expected: int, actual: int) -> None:
        super().__init__(f"expected {expected} bytes, received {actual}")


class UploadCorrupted(IntegrityError):
    """A registry computed another digest from what was checked before it was sent."""

    hint = "A proxy in front of the registry may alter or cut bodies; --chunk-size may get around."
