"""Tags that only a destination has, of mappings that name the tags of a whole repository."""

from collections.abc import Callable

from mirror.engine.run_state import Run
from mirror.engine.task_groups import task_group
from mirror.engine.verification import differs
from mirror.errors import MirrorError, NotFound
from mirror.events import Condition, Difference, Emit, ImageSettled, ImagesFound, Status
from mirror.image.reference import Reference, shared
from mirror.image.referrers_index import is_digest_tag
from mirror.mapping.grammar import Rule
from mirror.mapping.wildcard import matching_tags
from mirror.place import Side

_LEFT_ALONE = "They are left alone: delete them there if they are not needed."


class ExtraTags:
    """What sources list, to be compared with their destinations in the end."""

    def __init__(self) -> None:
        self._listed: list[tuple[Rule, tuple[str, ...]]] = []

    def asked(self, rule: Rule) -> None:
        """See `mirror.engine.expansion.Observer`; nothing follows from it here."""

    def unlisted(self, rule: Rule) -> None:
        """See `mirror.engine.expansion.Observer`; what may be there is not reported."""

    def failed(self, destination: Reference) -> None:
        """See `mirror.engine.expansion.Observer`; nothing follows from it here."""

    def listed(self, rule: Rule, tags: tuple[str, ...]) -> None:
        """See `mirror.engine.expansion.Observer`."""
        self._listed.append((rule, tags))

    async def emit(
        self,
        run: Run,
        claims: Callable[[Reference], bool],
        failed: Callable[[Rule, MirrorError], None],
        emit: Emit,
    ) -> None:
        """Tell of tags that no source has, now that all mappings are known.

        ``claims`` says whether a source was to bring a tag, ``failed`` says whether mappings
        whose destination cannot be listed.
        """

        async def compare(rule: Rule, tags: tuple[str, ...]) -> None:
            try:
                found = await _surplus(run, rule, tags, claims)
            except MirrorError as error:
                failed(rule, error)
                return
            if found:
                emit(ImagesFound(1))
                emit(_outcome(rule, found))

        async with task_group() as tasks:
            for rule, tags in self._listed:
                tasks.start_soon(compare, rule, tags)


async def _surplus(
    run: Run, rule: Rule, tags: tuple[str, ...], claims: Callable[[Reference], bool]
) -> list[str]:
    """Return the tags that a mapping covers at its destination and no source has."""
    repository = shared(rule.target.registry, rule.target.path)
    try:
        there = (await run.listings.tags(repository, Side.DESTINATION)).names
    except NotFound:
        return []  # whatever should be there is reported as missing
    here = set(tags)
    # What tags stand for at a registry without lists is compared as what it is.
    own = (tag for tag in matching_tags(rule, there) if tag not in here and not is_digest_tag(tag))
    return [tag for tag in own if not claims(Reference(repository, tag))]


def _outcome(rule: Rule, tags: list[str]) -> ImageSettled:
    differences = [Difference(Condition.EXTRA, "tag", tag) for tag in tags]
    error = differs(differences, rule.target, hint=_LEFT_ALONE)
    names = str(rule.source), str(rule.target), str(rule.origin)
    return ImageSettled(*names, Status.FAILED, error=error, differences=tuple(differences))
