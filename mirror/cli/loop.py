"""The event loop: uvloop where it is installed, asyncio's own elsewhere."""

import gc
import importlib.util
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

_T = TypeVar("_T")
# New objects until cycles are looked for: seldom, since finished requests leave few and
# each look walks over all that is planned; a third of all CPU otherwise
# (docs/decisions/0007).
_COLLECTIONS = (20_000, 20, 100)


def run(work: Callable[[], Awaitable[_T]]) -> _T:
    """Run a coroutine function to its end and return what it returned."""
    gc.freeze()  # what was loaded and read until now stays
    gc.set_threshold(*_COLLECTIONS)
    fast = importlib.util.find_spec("uvloop") is not None
    return anyio.run(work, backend="asyncio", backend_options={"use_uvloop": fast})
