"""Whose work is whose: the rules of this run's share, by their destination repositories."""

from collections.abc import Callable, Iterable

from mirror.events import Event, RepositoriesFound
from mirror.image.reference import Repository, shared
from mirror.mapping.grammar import Rule
from mirror.shard import Shard


class Ownership:
    """Which destination repositories are this run's; without a shard all are."""

    def __init__(self, shard: Shard | None, tell: Callable[[Event], None]) -> None:
        self._shard = shard
        self._tell = tell
        self._owned: dict[Repository, bool] = {}

    def divide(self, rules: Iterable[Rule]) -> tuple[Iterable[Rule], list[Rule]]:
        """Return which of some rules are this run's, and which are for other shares.

        What a catalog has yet to name is everybody's.  How many repositories are new is told.
        """
        if (shard := self._shard) is None:
            return rules, []
        mine, others, before = list[Rule](), list[Rule](), len(self._owned)
        for rule in rules:
            owned = rule.source.many_repositories or self._owns(shard, rule)
            (mine if owned else others).append(rule)
        if fresh := list(self._owned.values())[before:]:
            self._tell(RepositoriesFound(sum(fresh), len(fresh) - sum(fresh)))
        return mine, others

    def _owns(self, shard: Shard, rule: Rule) -> bool:
        repository = shared(rule.target.registry, rule.target.path)
        if (owned := self._owned.get(repository)) is None:
            owned = self._owned[repository] = shard.owns(repository)
        return owned
