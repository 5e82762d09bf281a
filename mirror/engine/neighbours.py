"""Others who bring blobs to the same registries in the same run, in other processes."""

from typing import Protocol

from mirror.image.manifest import Descriptor
from mirror.image.reference import Registry, Repository


class Neighbours(Protocol):
    """Whom to ask before a blob is brought to a registry."""

    async def ask(self, registry: Registry, blob: Descriptor) -> Repository | None:
        """Return where a blob can be mounted from, once it is there; None if it is ours to bring.

        Waits while somebody else brings it.
        """
        ...
