"""Copy container images and other OCI artifacts from registry to registry, in bulk.

    report = await mirror.copy("quay.io/team/app:1.2=registry.example.com/team/app")

What stands in `__all__` is for other programs (docs/library.md); the rest may change.

The floors of the package, from the ground up; a module may import its own
package and lower floors, never sideways and never up
(`tests/test_architecture.py` holds this):

    0  exit_code, place           how the process ends; where something happened
    1  errors                     every failure, and its hint
    2  image                      what an image is
    3  shard                      which share of the work is whose
    4  effort, options            how hard work was, and for whom; what a run was asked for
    5  events, mapping, wire      what happened; what was asked; the protocol
    6  auth, configuration, report, demo  who we are; what sync was asked for;
                                  what came of it; a registry to try
    7  registry                   talking to a registry
    8  engine                     carrying it out
    9  cluster                    carrying it out with many machines
   10  library                    the same for other programs
   11  blocking, cli              without await; the command line
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what runs is below: no command should wait for what it does not use
    from mirror import blocking
    from mirror.auth.credential import Credential
    from mirror.auth.keychain import Logins
    from mirror.errors import ConfigurationError, MappingError, MirrorError, UsageError
    from mirror.events import BlobLanded, Event, ImageSettled, ImagesFound, Status
    from mirror.image.platform import Platform, Selection
    from mirror.library.configured_sync import sync
    from mirror.library.copy_and_verify import copy, verify
    from mirror.options import Cluster, Options, RegistryOptions, Timeouts
    from mirror.place import Side
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
    "errors": ("ConfigurationError", "MappingError", "MirrorError", "UsageError"),
    "events": ("BlobLanded", "Event", "ImageSettled", "ImagesFound", "Status"),
    "image.platform": ("Platform", "Selection"),
    "library.copy_and_verify": ("copy", "verify"),
    "library.configured_sync": ("sync",),
    "place": ("Side",),
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


def __dir__() -> list[str]:
    return __all__
