"""Copy container images and other OCI artifacts from registry to registry, in bulk.

    report = await mirror.copy("quay.io/team/app:1.2=registry.example.com/team/app")

What stands in `__all__` is for other programs (docs/library.md); the rest may change.

The floors of the package, from the ground up; a module may import its own
package and lower floors, never sideways and never up
(`tests/test_architecture.py` holds this):

    0  errors                     every failure, its exit code, its hint
    1  image                      what an image is
    2  shard                      which share of the work is whose
    3  effort, options            how hard work was, and for whom; what a run was asked for
    4  events, mapping, wire      what happened; what was asked; the protocol
    5  auth, configuration, report, demo  who we are; what sync was asked for;
                                  what came of it; a registry to try
    6  registry                   talking to a registry
    7  engine                     carrying it out
    8  cluster                    carrying it out with many machines
    9  library                    the same for other programs
   10  blocking, cli              without await; the command line
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what runs is below: no command should wait for what it does not use
    from mirror import blocking
    from mirror.auth.credential import Credential
    from mirror.auth.keychain import Logins
    from mirror.errors import ConfigurationError, MappingError, MirrorError, Side, UsageError
    from mirror.events import BlobLanded, Event, ImageSettled, ImagesFound, Status
    from mirror.image.platform import Platform
    from mirror.image.selection import Selection
    from mirror.library.configured_sync import sync
    from mirror.library.copy_and_verify import copy, verify
    from mirror.options import Cluster, Options, RegistryOptions, Timeouts
    from mirror.report.document import Image, Report
    from mirror.shard import Shard

__version__ = "0.1.0"
__all__ = [
    "BlobLanded",
    "Cluster",
    "ConfigurationError",
    "Credential",
    "Event",
    "Image",
    "ImageSettled",
    "ImagesFound",
    "Logins",
    "MappingError",
    "MirrorError",
    "Options",
    "Platform",
    "RegistryOptions",
    "Report",
    "Selection",
    "Shard",
    "Side",
    "Status",
    "Timeouts",
    "UsageError",
    "blocking",
    "copy",
    "sync",
    "verify",
]

_HOMES = {
    "auth.credential": ("Credential",),
    "auth.keychain": ("Logins",),
    "errors": ("ConfigurationError", "MappingError", "MirrorError", "Side", "UsageError"),
    "events": ("BlobLanded", "Event", "ImageSettled", "ImagesFound", "Status"),
    "image.platform": ("Platform",),
    "image.selection": ("Selection",),
    "library.copy_and_verify": ("copy", "verify"),
    "library.configured_sync": ("sync",),
    "options": ("Cluster", "Options", "RegistryOptions", "Timeouts"),
    "report.document": ("Image", "Report"),
    "shard": ("Shard",),
}


def __getattr__(name: str) -> Any:
    """Load what is asked for from where it is; see `__all__`."""
    if name == "blocking":
        return importlib.import_module("mirror.blocking")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"mirror.{home}"), name)
    raise AttributeError(f"module 'mirror' has no attribute {name!r}")
