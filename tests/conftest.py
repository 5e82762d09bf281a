"""Two embedded registries, and a copy between them, for whoever asks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from random import Random
from typing import Any

import anyio
import pytest

from mirror.demo.server import EmbeddedRegistry
from mirror.engine.run import Environment, copy, verify
from mirror.events import Traffic
from mirror.mapping.grammar import Document, parse
from mirror.options import Options
from mirror.registry.backoff import Backoff
from mirror.report.result import Result

Copy = Callable[..., Awaitable[Result]]


class Hurry:
    """A clock on which waiting takes no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await anyio.lowlevel.checkpoint()

    def backoff(self, retries: int, seed: int = 7) -> Backoff:
        return Backoff(retries, Random(seed), self.clock, self.sleep)


@pytest.fixture
async def source() -> AsyncIterator[EmbeddedRegistry]:
    registry = EmbeddedRegistry(keep_log=True)
    async with registry.running():
        yield registry


@pytest.fixture
async def target() -> AsyncIterator[EmbeddedRegistry]:
    registry = EmbeddedRegistry(keep_log=True)
    async with registry.running():
        yield registry


@pytest.fixture
def mirrored(source: EmbeddedRegistry, target: EmbeddedRegistry) -> Copy:
    """Copy by the lines given, in which S and T stand for the two registries.

    Nothing is tried twice unless ``retries`` says so, and then at once.
    """
    return _between(source, target, copy)


@pytest.fixture
def verified(source: EmbeddedRegistry, target: EmbeddedRegistry) -> Copy:
    """Verify by the lines given; see `mirrored`."""
    return _between(source, target, verify)


def _between(
    source: EmbeddedRegistry, target: EmbeddedRegistry, work: Callable[..., Awaitable[object]]
) -> Copy:
    async def run(*lines: str, **options: Any) -> Result:
        text = "\n".join(lines).replace("S/", f"{source.host}/").replace("T/", f"{target.host}/")
        rules = parse(documents=[Document("test", text.encode())])
        result = Result(datetime.now(UTC))
        asked = Options(**{"retries": 0, **options})
        hurry = Hurry().backoff(asked.retries)
        await work(rules, asked, result.take, Traffic(), Environment(backoff=hurry))
        return result

    return run
