"""What a token must allow: ``repository:team/app:pull,push``.

One entry per resource, with its actions merged: Docker Hub breaks on the same
repository twice, and some registries read only the first entry, so the
repository that is worked on stands first.
"""

from collections.abc import Iterable
from typing import Self

from msgspec import Struct

# Repositories to mount from that one token may name besides its own; a token
# address must not grow with the mapping file.
OTHERS_LIMIT = 8
# Characters of them; token servers commonly refuse addresses above 4 KiB.
_LENGTH_LIMIT = 1500


class Scope(Struct, frozen=True):
    """One resource and what may be done to it."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}:{','.join(self.actions)}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``kind:name:action,action``; a name may hold colons.  Raises ValueError."""
        kind, colon, rest = text.partition(":")
        name, second, actions = rest.rpartition(":")
        if not (colon and second and kind and name):
            raise ValueError(f"{text!r} is not a scope")
        return cls(kind, name, tuple(sorted({a for a in actions.split(",") if a})))

    @classmethod
    def pull(cls, path: str) -> Self:
        """Allow reading a repository."""
        return cls("repository", path, ("pull",))

    @classmethod
    def push(cls, path: str) -> Self:
        """Allow reading and writing a repository."""
        return cls("repository", path, ("pull", "push"))

    @classmethod
    def delete(cls, path: str) -> Self:
        """Allow reading a repository, and deleting and writing in it."""
        return cls("repository", path, ("delete", "pull", "push"))

    @classmethod
    def catalog(cls) -> Self:
        """Allow listing a registry's repositories."""
        return cls("registry", "catalog", ("*",))

    def covers(self, other: "Scope") -> bool:
        """Whether this scope includes everything that the other allows."""
        same = (self.kind, self.name) == (other.kind, other.name)
        return same and set(self.actions) >= set(other.actions)


Scopes = tuple[Scope, ...]


def merge(scopes: Iterable[Scope]) -> Scopes:
    """Return one entry per resource, in the order in which each came first."""
    merged: dict[tuple[str, str], set[str]] = {}
    for scope in scopes:
        merged.setdefault((scope.kind, scope.name), set()).update(scope.actions)
    return tuple(Scope(*key, tuple(sorted(actions))) for key, actions in merged.items())


def covers(have: Scopes, need: Scopes) -> bool:
    """Whether a token for the first is good for the second."""
    return all(any(one.covers(wanted) for one in have) for wanted in need)


def widen(have: Scopes, need: Scopes) -> Scopes:
    """Return what to ask for so that the next request with the same need finds it.

    The first of ``need`` stays first; of the others that ``have`` names, the
    latest are kept, so that the list stays short however many there were.
    """
    others = merge(scope for scope in (*need[1:], *reversed(have)) if not _same(scope, need[0]))
    own = merge(scope for scope in (*need, *have) if _same(scope, need[0]))
    kept = others[:OTHERS_LIMIT]
    while len(kept) > len(need) - 1 and sum(len(str(scope)) for scope in kept) > _LENGTH_LIMIT:
        kept = kept[:-1]
    return own + kept


def _same(one: Scope, other: Scope) -> bool:
    return (one.kind, one.name) == (other.kind, other.name)
