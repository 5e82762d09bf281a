"""A plan in words and numbers: what a run would do, for ``--dry-run``."""

from collections import Counter
from dataclasses import dataclass, field, fields

from mirror.events import Landing
from mirror.plan.task import (
    CopyBlob,
    DeleteManifest,
    FindBlob,
    FindRepository,
    Landed,
    MergeReferrers,
    PutManifest,
    Task,
)


@dataclass(slots=True)
class Share:
    """What one registry would see of the acting part of a run."""

    requests: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    blobs_copied: int = 0
    blobs_mounted: int = 0
    manifests: int = 0


@dataclass(slots=True)
class Summary:
    """Tasks that change something, counted per registry instead of carried out."""

    shares: dict[str, Share] = field(default_factory=dict)
    spared: Counter[str] = field(default_factory=Counter)
    """Requests that only finding out took, per registry: a run would not send them."""

    def looked(self, task: FindRepository | FindBlob, *, found: bool) -> None:
        """Take a question that was asked.

        A run would have found a blob that is there with one request as well, a
        mount, and one that is not with the request that opens its upload.
        """
        if task.spared and (isinstance(task, FindRepository) or not found):
            self.spared[task.repository.registry.host] += 1

    def add(self, other: "Summary") -> None:
        """Take what another plan says, for other images."""
        for host, theirs in other.shares.items():
            mine = self._share(host)
            for name in (one.name for one in fields(Share)):
                setattr(mine, name, getattr(mine, name) + getattr(theirs, name))
        self.spared.update(other.spared)

    def rehearse(self, task: Task) -> Landed | bool | None:
        """Count a task; return what carrying it out would answer.

        Requests are those of a run in which nothing fails: POST and PUT for a
        blob, POST for a mount, one PUT for a manifest, GET and PUT for a list, DELETE.
        """
        match task:
            case CopyBlob(mount_from=None):
                return self._copy(task)
            case CopyBlob():
                share = self._share(task.destination.registry.host)
                share.requests += 1
                share.blobs_mounted += 1
                return Landed(Landing.MOUNTED)
            case PutManifest():
                share = self._share(task.destination.repository.registry.host)
                share.requests += 1
                share.manifests += 1
                share.bytes_written += len(task.manifest.content)
            case DeleteManifest():
                self._share(task.reference.repository.registry.host).requests += 1
                return True
            case MergeReferrers():
                share = self._share(task.repository.registry.host)
                share.requests += 2
                share.manifests += 1
                return True
        return None

    def requests(self, sent: Counter[str]) -> Counter[str]:
        """Return how many requests a run would send to each host.

        ``sent`` are those that finding out took; a run would send them as well,
        but for those it is spared.
        """
        acting = Counter({host: share.requests for host, share in self.shares.items()})
        return sent + acting - self.spared

    def text(self, sent: Counter[str]) -> str:
        """Return the plan as a table, one line per registry; see `requests`."""
        requests = self.requests(sent)
        rows: list[tuple[str, ...]] = [
            ("registry", "requests", "read", "written", "blobs", "mounts", "manifests")
        ]
        for host in sorted({*self.shares, *sent}):
            share = self._share(host)
            numbers = (
                requests[host],
                share.bytes_read,
                share.bytes_written,
                share.blobs_copied,
                share.blobs_mounted,
                share.manifests,
            )
            rows.append((host, *map(str, numbers)))
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        return "\n".join(_line(row, widths) for row in rows)

    def _copy(self, task: CopyBlob) -> Landed:
        source = self._share(task.source.registry.host)
        source.requests += 1
        source.bytes_read += task.blob.size
        destination = self._share(task.destination.registry.host)
        destination.requests += 2
        destination.bytes_written += task.blob.size
        destination.blobs_copied += 1
        return Landed(Landing.COPIED)

    def _share(self, host: str) -> Share:
        return self.shares.setdefault(host, Share())


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    first, *numbers = (
        cell.ljust(width) if column == 0 else cell.rjust(width)
        for column, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join([first, *numbers]).rstrip()
