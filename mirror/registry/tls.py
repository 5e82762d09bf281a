"""Whom to trust: certificate authorities and our own certificates, per registry host.

The system's store, a bundle that an option names, and what docker and podman
keep for a host: ``/etc/docker/certs.d/HOST[:PORT]/`` and
``/etc/containers/certs.d/HOST[:PORT]/`` with ``*.crt`` for authorities and
``*.cert`` with ``*.key`` for ourselves.  containers-certs.d(5).
"""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mirror.errors import UsageError

_FOLDERS = (Path("/etc/containers/certs.d"), Path("/etc/docker/certs.d"))


class TlsContexts:
    """Makes the TLS context for a host, once."""

    def __init__(self, bundle: Path | None = None, folders: Sequence[Path] = _FOLDERS) -> None:
        """Trust the authorities of a PEM bundle too; raise UsageError if there are none in it."""
        self._bundle = bundle
        self._folders = folders
        self._contexts: dict[tuple[str, bool], ssl.SSLContext | bool] = {}
        self._shared: dict[tuple[Path | None, bool], ssl.SSLContext] = {}
        if bundle is not None:
            self.context("", verify=True)

    def context(self, host: str, *, verify: bool) -> ssl.SSLContext | bool:
        """Return the context for a host, as ``host[:port]``; without ``verify`` any will do.

        Where a host has nothing of its own, ``verify`` itself is the answer: the HTTP
        library has made a context for each of the two while it was loaded, and another of
        the system's store costs 25 ms.
        """
        if (known := self._contexts.get((host, verify))) is None:
            folder = self._folder(host)
            if folder is None and self._bundle is None:
                known = verify
            elif (known := self._shared.get((folder, verify))) is None:
                known = self._shared[folder, verify] = self._make(folder, verify=verify)
            self._contexts[host, verify] = known
        return known

    def _folder(self, host: str) -> Path | None:
        candidates = (folder / host for folder in self._folders if host)
        return next((folder for folder in candidates if folder.is_dir()), None)

    def _make(self, folder: Path | None, *, verify: bool) -> ssl.SSLContext:
        context = ssl.create_default_context()
        if not verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        authorities = [self._bundle] if self._bundle is not None else []
        if folder is not None:
            authorities += sorted(folder.glob("*.crt"))
        for path in authorities:
            with _reading(path):
                context.load_verify_locations(path)
        for path in sorted(folder.glob("*.cert")) if folder is not None else ():
            with _reading(path):
                context.load_cert_chain(path, path.with_suffix(".key"))
        return context


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror or error}", hint="A certificate is a file in PEM form."
        ) from error
