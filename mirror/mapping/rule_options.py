"""What a mapping asks for besides its source and its destination."""

from dataclasses import dataclass, field
from typing import Self

from msgspec import Struct

from mirror.image.platform import Selection
from mirror.mapping.tag_filter import ALL, TagFilter
from mirror.options import Options

# Percent of the tags of a destination that may be deleted at once by default.
DEFAULT_MAX_PERCENT = 10.0


class Prune(Struct, frozen=True, kw_only=True):
    """Tags that have left their source are deleted at the destination, within a limit."""

    max_percent: float = DEFAULT_MAX_PERCENT
    """Percent of the tags that a mapping covers in a repository, or in all, at most."""


def name_of(options: "RuleOptions | None") -> str:
    """What a mapping on these terms is called; empty for nothing in particular."""
    return options.name if options is not None else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleOptions:
    """How one mapping is carried out."""

    name: str = field(default="", compare=False)
    """What it is called where its outcome is told; empty for its place."""
    tag_filter: TagFilter = field(default=ALL)
    prune: Prune | None = None
    allow_empty: bool = False
    """Whether it may match nothing."""
    selection: Selection | None = None
    """The platforms of an index that are wanted; None is all."""
    referrers: bool = False
    """Whether what refers to an image comes with it."""
    require_referrers: bool = False
    """Whether an image fails to which nothing refers."""

    @property
    def wanted(self) -> str:
        """Return what of an image is wanted, as text that is equal if and only if the wants are."""
        said = []
        if self.selection is not None:
            kept = " in the whole index" if self.selection.keep_index else ""
            names = [*map(str, self.selection.platforms)]
            if self.selection.pattern is not None:
                names.append(f"/{self.selection.pattern.pattern}/")
            said.append(",".join(sorted(names)) + kept)
        return "; ".join([*said, "referrers"] if self.referrers else said)

    @classmethod
    def of(cls, options: Options) -> Self:
        """Return what the options say for mappings that say nothing themselves."""
        return cls(
            selection=options.selection,
            referrers=options.referrers,
            require_referrers=options.require_referrers,
        )
