"""Blobs on their way to repositories, each brought once for all manifests that wait for it.

wanted --may be there--> looked for --there--> landed
                                    --not there--> copied or mounted --> landed
       --cannot be there--> copied or mounted --> landed
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mirror.errors import MirrorError, RegistryError
from mirror.events import Landing
from mirror.image.digest import Digest
from mirror.image.manifest import Descriptor
from mirror.image.reference import Repository
from mirror.plan.inquiry import Inquiry, as_error
from mirror.plan.knowledge import Knowledge
from mirror.plan.node import Node, is_elsewhere
from mirror.plan.task import Answer, CopyBlob, FindBlob, Landed


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A manifest that waits for a blob, as its own source describes it."""

    node: Node
    blob: Descriptor


class Supply:
    """The blobs that manifests wait for."""

    def __init__(
        self,
        inquiry: Inquiry,
        knowledge: Knowledge,
        arrived: Callable[[Node], None],
        fail: Callable[[Node, MirrorError], None],
        *,
        force: bool,
    ) -> None:
        """Be told who takes the news that a manifest waits for one blob less, or in vain."""
        self._inquiry = inquiry
        self._knowledge = knowledge
        self._arrived = arrived
        self._fail = fail
        self._force = force
        self._waiting: dict[tuple[Repository, Digest], list[_Waiting]] = {}

    def dispatch(self, task: FindBlob | CopyBlob) -> bool:
        """Return whether a blob is still needed; if it is moved, that begins now."""
        moves = isinstance(task, CopyBlob)
        repository = task.destination if isinstance(task, CopyBlob) else task.repository
        waiting = self._waiting[repository, task.blob.digest]
        needing = [one.node for one in waiting if not one.node.abandoned]
        for node in needing if moves else ():
            node.begin()
        return bool(needing)

    def want(self, node: Node, blob: Descriptor) -> None:
        """Have a manifest wait for a blob, unless it is known to be there."""
        if self._knowledge.has_blob(node.repository, blob.digest):
            return
        node.missing += 1
        key = (node.repository, blob.digest)
        if (waiting := self._waiting.get(key)) is not None:
            waiting.append(_Waiting(node, blob))
            return
        self._waiting[key] = [_Waiting(node, blob)]
        self._bring(node, blob)

    def _bring(self, node: Node, blob: Descriptor) -> None:
        exists = self._knowledge.exists(node.repository)
        if node.refusals or (exists and not self._force):
            task = FindBlob(node.repository, blob, self._knowledge.rehearses(node.repository))
            self._inquiry.ask(node, task, partial(self._found, node, blob))
        else:
            self._copy(node, blob, look=exists is None and not self._force)

    def _found(self, node: Node, blob: Descriptor, answer: Answer | MirrorError) -> None:
        if isinstance(answer, MirrorError) and not isinstance(answer, RegistryError):
            self._failed(node, blob, answer)
        elif answer is True:
            self._landed(node.repository, blob)
        else:
            # Not there, or not ours to ask: some logins may push and not look.
            self._copy(node, blob, look=False)

    def _copy(self, node: Node, blob: Descriptor, *, look: bool) -> None:
        registry = node.repository.registry
        # Within one registry everyone mounts from the source, and need not wait for the first.
        shared = self._knowledge.mounts(registry) and node.source.registry != registry
        if node.refusals:
            # What a mount or the registry's word brought was not there: bring it all the way.
            node.mended = True
            shared = False
        task = CopyBlob(
            node.source, node.repository, blob, look, shared, mountable=not node.refusals
        )
        self._inquiry.ask(node, task, partial(self._copied, node, blob))

    def _copied(self, node: Node, blob: Descriptor, answer: Answer | MirrorError) -> None:
        if not isinstance(answer, Landed):
            self._failed(node, blob, as_error(answer))
            return
        if answer.refused is not None:
            self._knowledge.mount_refused(node.repository, answer.refused)
        if answer.landing is Landing.COPIED:
            node.root.bytes_copied += blob.size
        self._landed(node.repository, blob)

    def _landed(self, repository: Repository, blob: Descriptor) -> None:
        self._knowledge.add_blob(repository, blob.digest)
        for waiting in self._waiting.pop((repository, blob.digest)):
            self._arrived(waiting.node)

    def _failed(self, node: Node, blob: Descriptor, error: MirrorError) -> None:
        """Fail who waits for a blob, but for those who can have it from elsewhere."""
        key = (node.repository, blob.digest)
        waiting = self._waiting.pop(key)
        others = [one for one in waiting if is_elsewhere(error, node, one.node) or one.blob != blob]
        for one in waiting:
            if one not in others:
                self._fail(one.node, error)
        others = [one for one in others if not one.node.failed]
        if others:
            self._waiting[key] = others
            self._bring(others[0].node, others[0].blob)
