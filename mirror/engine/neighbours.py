"""Others who bring blobs to the same registries in the same run, in other processes."""

from typing import Protocol

from mirror.image.manifest import Descriptor
from mirror.image.reference import Registry, Repository


class Neighbours(Protocol):
    """The other workers of a run, which may be copying the same blob to the same registry."""

    async def ask(self, registry: Registry, blob: Descriptor) -> Repository | None:
        """Return the repository to mount a blob from; None if this process is to copy it.

        Waits while another worker copies it.
        """
        ...
