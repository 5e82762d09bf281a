"""All folders of a run that stand for repositories, each opened once."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread

from mirror.errors import MirrorError
from mirror.image.reference import Registry, Repository
from mirror.registry.folder_registry import Folder, FolderRegistry, unwilling
from mirror.registry.oc_folder import OcFolder, repositories
from mirror.registry.oci_folder import OciFolder


class Folders:
    """Gives what answers for a folder; ``base`` is where ``file://`` repositories are."""

    def __init__(self, base: Path) -> None:
        self._base = base
        self._open: dict[Repository, FolderRegistry] = {}

    def local(self, repository: Repository) -> FolderRegistry:
        """Return what answers for a repository on this machine."""
        if (local := self._open.get(repository)) is None:
            registry = repository.registry
            folder = self._folder(registry, repository.path)
            local = FolderRegistry(folder, lambda path: self._folder(registry, path))
            self._open[repository] = local
        return local

    async def catalog(self, registry: Registry, below: str) -> tuple[str, ...]:
        """Return the repositories of one kind, those of layouts below a folder."""
        found = _layouts(Path(below)) if registry.is_layout else repositories(self._base)
        try:
            return await anyio.to_thread.run_sync(tuple, found)
        except OSError as error:
            raise unwilling(error) from error

    async def close(self) -> None:
        """Write what is pending, also when the run is interrupted."""
        with anyio.CancelScope(shield=True):
            failed: MirrorError | None = None
            for local in self._open.values():
                try:
                    await local.close()
                except MirrorError as error:
                    failed = failed or error
            if failed is not None:
                raise failed

    def _folder(self, registry: Registry, path: str) -> Folder:
        return OciFolder(Path(path)) if registry.is_layout else OcFolder(self._base, path)


def _layouts(below: Path) -> Iterator[str]:
    for blobs in sorted(below.rglob("blobs")):
        if (blobs.parent / "index.json").is_file():
            yield str(blobs.parent)
