"""What one registry was seen to take and to give, shared by all who talk to it."""

from msgspec.structs import replace

from mirror.errors import MirrorError, RegistryError, SessionLost, UploadCorrupted, WrongWay
from mirror.events import Emit, QuotaSeen
from mirror.wire.message import Reply
from mirror.wire.pull_quota import PullQuota
from mirror.wire.retry_policy import is_transient
from mirror.wire.upload import Upload
from mirror.wire.upload_strategy import UploadStrategy

# Lists of referrers that a registry must lack before it is asked for tags only: one answer
# may be about one repository.
_LISTS_MISSED = 3
# Codes that mean, in answer to a blob, that it arrived as something else; and statuses
# with which a registry that takes no chunks answers them.
_CORRUPTED = {"DIGEST_INVALID", "SIZE_INVALID"}
_NO_CHUNKS = {404, 405, 415, 416, 501}


class Capabilities:
    """What one registry was seen to take and to give, shared by all who talk to it."""

    def __init__(self, strategy: UploadStrategy | None = None, emit: Emit | None = None) -> None:
        self.strategy = strategy or UploadStrategy()
        self.quota = PullQuota()
        self._lists_missed = 0
        self._emit = emit

    def judge_refusal(self, status: int, upload: Upload, error: RegistryError) -> MirrorError:
        """Note what a refused upload says of the registry; return the error to raise.

        Of uploads that were refused at the same time only the first teaches.
        """
        if self._refuses_chunks(status, upload):
            self.strategy = replace(self.strategy, chunks=False)
            return WrongWay(error.message)
        if upload.lost(status, error.code):
            return SessionLost(error.message)
        if error.code in _CORRUPTED:
            return UploadCorrupted(error.message)
        other = upload.strategy.after_refusal(status, upload.size)
        if other is None:
            return error.but(retryable=error.retryable or is_transient(status))
        strategy = self.strategy
        if upload.strategy in (
            strategy,
            strategy.after_break(upload.size),
            strategy.after_corruption(),
        ):
            self.strategy = other
        return WrongWay(error.message)

    def _refuses_chunks(self, status: int, upload: Upload) -> bool:
        """Whether chunks that were only tried because a whole blob broke off are not taken."""
        tried = self.strategy.after_break(upload.size)
        only_tried = upload.strategy == tried != self.strategy
        return only_tried and not upload.position and status in _NO_CHUNKS

    @property
    def lists_referrers(self) -> bool:
        """Whether it may have lists of referrers, as far as is known."""
        return self._lists_missed < _LISTS_MISSED

    def see_referrers(self, *, listed: bool) -> None:
        """Note whether it answered the referrers API."""
        self._lists_missed = 0 if listed else self._lists_missed + 1

    def see(self, host: str, reply: Reply) -> None:
        """Note how many pulls are left, if the reply says so."""
        if self.quota.see(reply) and self._emit is not None:
            quota = self.quota
            self._emit(QuotaSeen(host, int(quota.remaining), quota.limit, quota.window))
