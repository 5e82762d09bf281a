"""What a ledger remembers, and what that spares."""

import json
import sqlite3
from pathlib import Path
from random import Random
from typing import Any

import pytest

from mirror.demo.server import EmbeddedRegistry
from mirror.engine.ledger import Ledger, Remembered
from mirror.errors import Denied, MirrorError, UsageError
from mirror.events import DestinationChanging, ImageSettled, Status
from mirror.image.digest import Digest
from mirror.image.manifest import OCI_MANIFEST
from mirror.image.reference import Reference, Repository
from mirror.place import Place, Side
from tests.conftest import Copy

DAY = 24 * 3600.0
PLACE = Reference(Repository.parse("d.io/a"), "1")
ONE, OTHER = Digest.of(b"one"), Digest.of(b"other")


Seen = ImageSettled | DestinationChanging


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Dice(Random):
    """Chance that falls as it is told."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


def opened(path: Path, clock: Clock | None = None, dice: float = 0.5) -> Ledger:
    return Ledger(path, recheck=7 * DAY, clock=clock or Clock(), random=Dice(dice))


def settled(status: Status, **more: Any) -> ImageSettled:
    return ImageSettled("s.io/a:1", str(PLACE), "f:1", status, ONE, **more)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state.db"


def remember(
    path: Path, clock: Clock | None = None, *events: ImageSettled | DestinationChanging
) -> None:
    with opened(path, clock) as ledger:
        for event in events or (settled(Status.COPIED),):
            ledger.take(event)


def test_what_was_seen_is_remembered_by_the_next_run(path: Path) -> None:
    remember(path)

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") == Remembered(
            "s.io/a:1", ONE, ONE, fresh=True, sampled=False
        )
        assert ledger.recall(PLACE, "linux/arm64") is None
        assert ledger.recall(Reference(PLACE.repository, "2"), "") is None


def test_what_a_source_named_is_remembered_beside_what_was_made_of_it(path: Path) -> None:
    remember(path, None, settled(Status.UNCHANGED, source_digest=OTHER, wanted="linux/arm64"))

    with opened(path) as ledger:
        known = ledger.recall(PLACE, "linux/arm64")
        assert known == Remembered("s.io/a:1", OTHER, ONE, fresh=True, sampled=False)


@pytest.mark.parametrize(("days", "fresh"), [(0, True), (3.4, True), (7.1, False), (-1, False)])
def test_it_is_believed_for_a_while(path: Path, days: float, fresh: bool) -> None:
    clock = Clock()
    remember(path, clock)
    clock.now += days * DAY

    with opened(path, clock) as ledger:
        known = ledger.recall(PLACE, "")
        assert known is not None
        assert known.fresh is fresh


def test_destinations_are_asked_again_in_different_nights(path: Path) -> None:
    clock = Clock()
    places = [Reference(PLACE.repository, str(number)) for number in range(200)]
    with opened(path, clock) as ledger:
        for place in places:
            ledger.take(ImageSettled("s", str(place), "f:1", Status.COPIED, ONE))
    clock.now += 5 * DAY

    with opened(path, clock) as ledger:
        fresh = [known.fresh for place in places if (known := ledger.recall(place, ""))]
    assert 60 < sum(fresh) < 140


@pytest.mark.parametrize(("dice", "sampled"), [(0.009, True), (0.011, False)])
def test_one_in_a_hundred_is_looked_at_all_the_same(path: Path, dice: float, sampled: bool) -> None:
    remember(path)

    with opened(path, dice=dice) as ledger:
        known = ledger.recall(PLACE, "")
        assert known is not None
        assert known.sampled is sampled


@pytest.mark.parametrize(
    "event",
    [settled(Status.FAILED), DestinationChanging(PLACE)],
)
def test_what_is_not_there_any_more_is_forgotten(
    path: Path, event: ImageSettled | DestinationChanging
) -> None:
    remember(path)
    remember(path, None, event)

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is None


def test_what_is_wrong_with_a_source_says_nothing_of_a_destination(path: Path) -> None:
    remember(path)
    error = Denied("401").at(Place(Side.SOURCE, "s.io/a:1", "looking up the manifest"))
    remember(path, None, settled(Status.FAILED, error=error))

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is not None


@pytest.mark.parametrize(
    "event",
    [settled(Status.SKIPPED), settled(Status.DEFERRED), settled(Status.PLANNED),
     settled(Status.UNCHANGED, recalled=True)],
)  # fmt: skip
def test_what_was_not_seen_is_not_remembered(path: Path, event: ImageSettled) -> None:
    remember(path, None, event)

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is None


def test_what_was_seen_is_forgotten_by_a_later_failure_of_the_same_run(path: Path) -> None:
    remember(path, None, settled(Status.COPIED), settled(Status.FAILED))

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is None


@pytest.mark.parametrize("content", [b"no database, and longer than its header" * 9, None])
def test_what_is_no_ledger_is_not_overwritten(path: Path, content: bytes | None) -> None:
    if content is not None:
        path.write_bytes(content)
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()

    with pytest.raises(UsageError, match="no ledger"):
        opened(path)
    assert path.read_bytes() == before


def test_a_change_is_known_to_whoever_comes_after_a_kill(path: Path) -> None:
    remember(path)
    killed = opened(path)
    killed.take(DestinationChanging(PLACE))

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is None


def test_a_destination_holds_one_thing_at_a_time(path: Path) -> None:
    remember(path, None, settled(Status.COPIED), settled(Status.COPIED, wanted="linux/arm64"))

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is None
        assert ledger.recall(PLACE, "linux/arm64") is not None


def test_what_was_copied_is_remembered_though_its_image_was_known(path: Path) -> None:
    remember(path, None, settled(Status.COPIED, recalled=True))

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is not None


@pytest.mark.parametrize(
    "damage",
    ["UPDATE verified SET source_digest = 'xx'", "UPDATE verified SET digest = NULL",
     "UPDATE verified SET at = 'noon'", "ALTER TABLE verified RENAME COLUMN wanted TO x"],
)  # fmt: skip
def test_a_damaged_row_is_none(path: Path, damage: str) -> None:
    remember(path)
    with sqlite3.connect(path) as other:
        other.execute(damage)

    with opened(path) as ledger:
        assert ledger.recall(PLACE, "") is None


async def test_a_ledger_that_breaks_ends_no_run(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, path: Path
) -> None:
    for tag in ("1", "2"):
        _push(source, tag)
    await mirrored("S/a=T/a", ledger=path)
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE verified ADD COLUMN more TEXT")

    with pytest.raises(MirrorError, match="could not be written"):
        await mirrored("S/a=T/b", ledger=path)
    assert target.store.tags("b") == ["1", "2"]


def test_a_ledger_that_cannot_be_written_is_told_of(path: Path) -> None:
    ledger = opened(path)
    ledger.take(settled(Status.COPIED))
    with sqlite3.connect(path) as other:
        other.execute("DROP TABLE verified")

    with pytest.raises(MirrorError, match="could not be written"), ledger:
        pass


async def test_an_unchanged_tag_takes_one_request_with_a_ledger(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, path: Path
) -> None:
    digest = _push(source, "1")
    await mirrored("S/a:1=T/a", ledger=path)
    source.log.clear()
    target.log.clear()

    result = await mirrored("S/a:1=T/a", ledger=path)

    assert result.statuses == {Status.UNCHANGED: 1}
    assert result.images[0].digest == digest
    assert [entry.method for entry in source.log if "manifests" in entry.path] == ["HEAD"]
    assert list(target.log) == []


async def test_a_tag_that_moved_is_copied_whatever_the_ledger_says(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, path: Path
) -> None:
    _push(source, "1")
    await mirrored("S/a:1=T/a", ledger=path)
    moved = _push(source, "1", "another")

    result = await mirrored("S/a:1=T/a", ledger=path)

    assert result.statuses == {Status.COPIED: 1}
    assert target.store.manifest("a", "1").digest == moved
    assert (await mirrored("S/a:1=T/a", ledger=path)).images[0].recalled


async def test_force_asks_no_ledger(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, path: Path
) -> None:
    _push(source, "1")
    await mirrored("S/a:1=T/a", ledger=path)
    target.store.delete_manifest("a", "1")

    assert (await mirrored("S/a:1=T/a", ledger=path)).statuses == {Status.UNCHANGED: 1}
    assert (await mirrored("S/a:1=T/a", ledger=path, force=True)).statuses == {Status.COPIED: 1}
    assert target.store.manifest("a", "1")


async def test_a_verification_that_finds_a_difference_makes_the_ledger_forget(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy, path: Path
) -> None:
    _push(source, "1")
    await mirrored("S/a:1=T/a", ledger=path)
    target.store.delete_manifest("a", "1")

    assert (await verified("S/a:1=T/a", ledger=path)).statuses == {Status.FAILED: 1}
    assert (await mirrored("S/a:1=T/a", ledger=path)).statuses == {Status.COPIED: 1}
    assert (await verified("S/a:1=T/a", ledger=path)).statuses == {Status.UNCHANGED: 1}


async def test_a_verification_vouches_for_what_it_looked_at_only(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, verified: Copy, path: Path
) -> None:
    _push(source, "1")
    await mirrored("S/a:1=T/a")
    await verified("S/a:1=T/a", ledger=path, referrers=True)

    assert not (await mirrored("S/a:1=T/a", ledger=path)).images[0].recalled
    await verified("S/a:1=T/a", ledger=path)
    assert (await mirrored("S/a:1=T/a", ledger=path)).images[0].recalled


async def test_a_dry_run_remembers_nothing_that_it_did_not_see(
    source: EmbeddedRegistry, target: EmbeddedRegistry, mirrored: Copy, path: Path
) -> None:
    _push(source, "1")
    await mirrored("S/a:1=T/a", ledger=path, dry_run=True)

    assert (await mirrored("S/a:1=T/a", ledger=path)).statuses == {Status.COPIED: 1}


def _push(registry: EmbeddedRegistry, tag: str, content: str = "one") -> Digest:
    config = registry.store.add_blob("a", content.encode())
    document = {
        "schemaVersion": 2,
        "config": {"mediaType": "application/x", "digest": str(config), "size": len(content)},
        "layers": [],
    }
    return registry.store.put_manifest("a", tag, json.dumps(document).encode(), OCI_MANIFEST).digest


OTHERS = [Reference.parse(f"d.io/{name}") for name in ("ab:1", "a/b:1", "a-b:1")]
MINE = [PLACE, Reference(PLACE.repository, "v2"), Reference(PLACE.repository, None, ONE)]


def filled(path: Path) -> None:
    """Remember images of one repository, and of others whose names begin like it."""
    with opened(path) as ledger:
        for place in (*MINE, *OTHERS):
            ledger.take(ImageSettled("s.io/a:1", str(place), "f:1", Status.COPIED, ONE))


def known(path: Path) -> set[str]:
    with opened(path) as ledger:
        return {str(place) for place in (*MINE, *OTHERS) if ledger.recall(place, "")}


def test_what_is_lent_is_all_of_a_repository_and_of_no_other(path: Path) -> None:
    filled(path)
    with opened(path) as ledger:
        memory = ledger.hand_out([PLACE.repository])

    assert memory == {(str(place), ""): Remembered("s.io/a:1", ONE, ONE, True, False)
                      for place in MINE}  # fmt: skip


def test_what_was_lent_and_not_given_back_is_forgotten(path: Path) -> None:
    filled(path)
    with opened(path) as ledger:
        ledger.hand_out([PLACE.repository, OTHERS[0].repository])
        ledger.give_back([OTHERS[0].repository])

    assert known(path) == set(map(str, OTHERS))


def test_what_is_lent_is_noted_before_anybody_can_change_it(path: Path) -> None:
    filled(path)
    ledger = opened(path)
    ledger.hand_out([PLACE.repository])  # and the process is killed

    assert known(path) == set(map(str, OTHERS))


def test_what_was_given_back_is_believed(path: Path) -> None:
    filled(path)
    with opened(path) as ledger:
        ledger.hand_out([PLACE.repository])
        ledger.take(DestinationChanging(MINE[1]))
        ledger.give_back([PLACE.repository])

    assert known(path) == set(map(str, (MINE[0], MINE[2], *OTHERS)))


def test_nothing_is_lent_of_a_ledger_that_cannot_be_read(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as file:
        file.execute("UPDATE verified SET digest = 'x' WHERE destination = ?", (str(PLACE),))
    with opened(path) as ledger:
        assert (str(PLACE), "") not in ledger.hand_out([PLACE.repository])
