"""Two embedded registries, and a copy between them, for whoever asks."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import pytest

from mirror.demo.server import EmbeddedRegistry
from mirror.engine.copying import copy
from mirror.events import Traffic
from mirror.mapping.grammar import Document, parse
from mirror.options import Options
from mirror.report.result import Result

Copy = Callable[..., Awaitable[Result]]


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

    Nothing is tried twice unless ``retries`` says so.
    """

    async def run(*lines: str, **options: bool | int) -> Result:
        text = "\n".join(lines).replace("S/", f"{source.host}/").replace("T/", f"{target.host}/")
        rules = parse(documents=[Document("test", text.encode())])
        result = Result(datetime.now(UTC))
        patience = Options(**{"retries": 0, **options})  # type: ignore[arg-type]
        await copy(rules, patience, result.take, Traffic())
        return result

    return run
