"""What everything in a run shares."""

from collections import Counter
from typing import Protocol

from anyio.abc import TaskGroup
from msgspec import Struct

from mirror.engine.admission import RegistryPair, registry_pair_of
from mirror.engine.destination_state import DestinationState
from mirror.engine.ledger import Recall
from mirror.engine.listings import Listings
from mirror.engine.repository_access import Clients, Destination, Source
from mirror.engine.single_flight import FirstAlone, OneAtATime, SharedWork
from mirror.engine.slots import Slots
from mirror.events import Emit
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Registry, Repository
from mirror.mapping.rule_options import RuleOptions
from mirror.mapping.wildcard import Pair
from mirror.options import Options
from mirror.place import Side
from mirror.registry.backoff import Backoff


class Peers(Protocol):
    """The other processes of a run, which may be copying the same blob to the same registry."""

    async def claim(self, registry: Registry, blob: Descriptor) -> Repository | None:
        """Return the repository to mount a blob from; None if this process is to copy it.

        Waits while another process copies it.
        """
        ...


class Route(Struct, frozen=True):
    """From which repository to which."""

    source: Repository
    destination: Repository


class Run:
    """One run: what was asked for, what it works with, and what it knows by now."""

    def __init__(
        self,
        options: Options,
        emit: Emit,
        clients: Clients,
        slots: Slots,
        source: Source,
        destination: Destination,
        backoff: Backoff,
        recall: Recall,
        tasks: TaskGroup,
        peers: Peers | None = None,
    ) -> None:
        """``tasks`` is where work runs that several images wait for."""
        self.options = options
        self.emit = emit
        self.clients = clients
        self.slots = slots
        self.source = source
        self.destination = destination
        self.backoff = backoff
        self.recall = recall
        self.peers = peers
        self._foreseen: Counter[RegistryPair] = Counter()
        self.tasks = tasks
        self.rule_options = RuleOptions.of(options)
        """How mappings are carried out that do not say it themselves."""
        self.known = DestinationState(options, writes=destination.writes)
        self.listings = Listings(source, destination, tasks)
        self.contents: SharedWork[bool] = SharedWork(tasks)
        """Blobs and manifests on their way to a repository, and whether they had to be copied."""
        self.first_uploads = FirstAlone(lambda *key: self.known.home(*key) is not None)
        """Lets the first upload of a blob to a registry go alone; the others then mount it."""
        self.tag_writers = OneAtATime()
        """Lets one writer at a time change a tag that is made of a digest."""
        self.list_writers = OneAtATime()
        """Lets one writer at a time change a list of referrers behind a tag."""
        self.referrers_brought: dict[tuple[Route, Digest], bool] = {}
        """Whether anything refers to an image, all of which was brought; for its other tags."""

    def prepare_connections(self, pair: Pair, requests: int) -> None:
        """Have connections ready for an image that leads to so many requests at once."""
        lane = registry_pair_of(pair)
        if requests > self._foreseen[lane] and self.destination.writes:
            self._foreseen[lane] = requests
            self.clients.prepare_connections(lane[0], Side.SOURCE, requests)
            self.clients.prepare_connections(lane[1], Side.DESTINATION, requests)
