"""Names of images: the default registry, host rules, tags, digests.

    reference = [ "docker://" ] [ host "/" ] path [ ":" tag ] [ "@" digest ]
              | "oci:" folder [ ":" tag ] [ "@" digest ]
              | "file://" path [ ":" tag ] [ "@" digest ]
    host      = ( label *( "." label ) | "[" IPv6 "]" ) [ ":" port ]
    path      = component *( "/" component )

The first component is a host only if a slash follows it and it holds a dot or
a colon, or is ``localhost``; otherwise the registry is Docker Hub.  Everything
is canonical at construction: ``busybox`` is ``docker.io/library/busybox``, and
no original spelling is kept.  What begins with ``oci:`` is an OCI image layout in a
folder, what begins with ``file://`` a repository in the folder that ``oc image mirror --dir``
keeps; each kind counts as one registry.  Distribution specification, "Pulling manifests".
"""

import ipaddress
import posixpath
import re
from functools import lru_cache
from typing import Self

from msgspec import Struct
from msgspec.structs import replace

from mirror.image.digest import Digest

DOCKER_HUB = "docker.io"
_HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
# The distribution specification bounds host and path together, because many
# registries keep them in one column.
_NAME_LIMIT = 255
_LAYOUTS = "oci:"
_FOLDERS = "file:/"
# Whatever means something else in a reference, a mapping or an address cannot be in it.
_FOLDER = re.compile(r"[^\s:=@*?#%]+")
# A host that is called oci, with its port.
_OCI_HOST = re.compile("oci:[0-9]+/")

# RFC 1035, section 2.3.4: a label has at most 63 characters.
_LABEL = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{{1,5}})?")
_PATH = re.compile(
    r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_BARE_DIGEST = re.compile("[0-9a-f]{64}")


def is_tag(text: str) -> bool:
    """Whether this may stand as a tag."""
    return _TAG.fullmatch(text) is not None


def is_path(text: str) -> bool:
    """Whether this may stand as the path of a repository."""
    return _PATH.fullmatch(text) is not None


def is_folder(text: str) -> bool:
    """Whether this may stand as the folder of a layout."""
    return _FOLDER.fullmatch(text) is not None


class Registry(Struct, frozen=True, order=True):
    """A registry host, lower case, with its port when one was given."""

    host: str

    def __str__(self) -> str:
        return self.host

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``host[:port]``; raise ValueError for anything else."""
        if not _HOST.fullmatch(text) or not _valid_address(text):
            raise ValueError(f"{text!r} is not a registry host")
        host = text.lower()
        return cls(DOCKER_HUB if host in _HUB_ALIASES else host)

    @property
    def is_layout(self) -> bool:
        """Whether it stands for all OCI image layouts, each of which counts as a repository."""
        return self.host == _LAYOUTS

    @property
    def is_local(self) -> bool:
        """Whether it is not a registry but folders on this machine."""
        return self.host in (_LAYOUTS, _FOLDERS)

    @property
    def authority(self) -> str:
        """Where its API is served, which for Docker Hub is not its name."""
        return "registry-1.docker.io" if self.host == DOCKER_HUB else self.host

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, where plain http is no danger."""
        name = _without_port(self.host)
        if name == "localhost" or name.endswith(".localhost"):
            return True
        try:
            return ipaddress.ip_address(name.strip("[]")).is_loopback
        except ValueError:
            return False


class Repository(Struct, frozen=True, order=True):
    """A repository of a registry: ``quay.io/team/app``."""

    registry: Registry
    path: str

    def __str__(self) -> str:
        joint = "" if self.registry.is_layout else "/"
        return f"{self.registry.host}{joint}{self.path}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``[host/]path``; raise ValueError for anything else."""
        return cls.named(*split_host(text))

    @classmethod
    def named(cls, registry: Registry, path: str) -> Self:
        """Name a repository by its parts; raise ValueError if the path cannot be one."""
        if registry.is_layout:
            if not is_folder(path):
                raise ValueError(
                    f"{path!r} cannot be the folder of a layout; write oci:PATH[:NAME]"
                )
            return cls(registry, path)
        if not is_path(path):
            raise ValueError(f"{path!r} is not a repository path")
        path = _official(registry, path)
        if (length := len(registry.host) + 1 + len(path)) > _NAME_LIMIT:
            raise ValueError(f"a name has at most {_NAME_LIMIT} characters, this has {length}")
        return cls(registry, path)


class Reference(Struct, frozen=True, order=True):
    """An image in a repository, by tag, by digest, or by both.

    With both, the digest says which content and the tag only names it.
    """

    repository: Repository
    tag: str | None = None
    digest: Digest | None = None

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag is not None else ""
        digest = f"@{self.digest}" if self.digest is not None else ""
        return f"{self.repository}{tag}{digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference; raise ValueError, saying which part is wrong."""
        name, tag, digest = split_reference(text)
        if tag is not None and not is_tag(tag):
            raise ValueError(f"{tag!r} is not a tag")
        if tag is None and digest is None and _BARE_DIGEST.fullmatch(name):
            raise ValueError(f"{name!r} is a bare digest; write NAME@sha256:{name[:12]}...")
        return cls(
            Repository.parse(name), tag, Digest.parse(digest) if digest is not None else None
        )

    @property
    def target(self) -> str:
        """What stands behind ``/manifests/``: the digest if there is one."""
        return str(self.digest) if self.digest is not None else self.tag or "latest"

    def or_latest(self) -> Self:
        """Name the tag ``latest`` when neither tag nor digest was given."""
        return replace(self, tag="latest") if self.tag is None and self.digest is None else self


def split_reference(text: str) -> tuple[str, str | None, str | None]:
    """Cut ``name[:tag][@digest]`` into its parts, none of them checked yet."""
    name, at, digest = text.removeprefix("docker://").partition("@")
    begin = len(_LAYOUTS) if _is_layout(name) else 0
    colon = name.find(":", max(begin, name.rfind("/") + 1))
    tag = name[colon + 1 :] if colon >= 0 else None
    return name if tag is None else name[:colon], tag, digest if at else None


@lru_cache(maxsize=10_000)
def shared(registry: Registry, path: str) -> Repository:
    """Return the repository of these parts, which are known to be right.

    The same object for the same parts as long as few others come between: a file
    names few repositories and many tags.
    """
    return Repository(registry, path)


@lru_cache(maxsize=10_000)
def split_host(name: str) -> tuple[Registry, str]:
    """Cut ``[host/]path`` into a registry and a path; the path is not checked."""
    if _is_layout(name):
        folder = name.removeprefix(_LAYOUTS)
        return Registry(_LAYOUTS), posixpath.normpath(folder) if folder else folder
    if name.startswith("file://"):
        return Registry(_FOLDERS), name.removeprefix("file://")
    first, slash, rest = name.partition("/")
    if slash and ("." in first or ":" in first or first.lower() == "localhost"):
        registry, path = Registry.parse(first), rest
    else:
        registry, path = Registry(DOCKER_HUB), name
    return registry, _official(registry, path)


def _is_layout(name: str) -> bool:
    return name.startswith(_LAYOUTS) and _OCI_HOST.match(name) is None


def _official(registry: Registry, path: str) -> str:
    """Return the path with the namespace that Docker Hub keeps for its own images."""
    alone = registry.host == DOCKER_HUB and "/" not in path and path != "*"
    return f"library/{path}" if alone else path


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _valid_address(host: str) -> bool:
    name = _without_port(host)
    port = host.removeprefix(name).removeprefix(":")
    if port and not 0 < int(port) < 65536:
        return False
    if not name.startswith("["):
        return True
    try:
        ipaddress.IPv6Address(name.strip("[]"))
    except ValueError:
        return False
    return True
