"""The event loop in which commands and units run."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from mirror.engine.loop import run


@pytest.fixture(autouse=True)
def thawed() -> Iterator[None]:
    """Leave the collector as it was."""
    gc.unfreeze()
    yield
    gc.unfreeze()


async def kind_of_loop() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


def test_the_loop_is_uvloops_where_that_is_installed() -> None:
    pytest.importorskip("uvloop")

    assert run(kind_of_loop) == "uvloop"


@pytest.mark.parametrize("only", [True, False])
def test_what_is_loaded_is_frozen_only_where_the_process_does_nothing_else(only: bool) -> None:
    run(kind_of_loop, only=only)

    assert (gc.get_freeze_count() > 0) is only
