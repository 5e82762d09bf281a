"""The examples of the documentation print what stands below them."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import catalog, serving, unmeasured

__all__ = ["catalog"]

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
EXAMPLES = re.findall(r"^## ([^\n]+)\n.*?^```python\n(.*?)^```\n\n^```text\n(.*?)^```", PAGE,
                      re.MULTILINE | re.DOTALL)  # fmt: skip


@pytest.fixture(scope="module")
def place() -> Iterator[str]:
    """Where the examples copy to, each to repositories of its own."""
    with serving() as (_, address):
        yield address


def test_every_block_of_the_page_is_an_example() -> None:
    assert len(EXAMPLES) == PAGE.count("```python") == 7


@pytest.mark.parametrize(
    ("program", "printed"), [one[1:] for one in EXAMPLES], ids=[one[0] for one in EXAMPLES]
)
def test_an_example_prints_what_stands_below_it(
    program: str, printed: str, catalog: str, place: str
) -> None:
    for name, host in (("src.example.com", catalog), ("dst.example.com", place)):
        program = program.replace(name, host)
        printed = printed.replace(name, host)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60,
        env=unmeasured(),
    )  # fmt: skip

    assert done.stderr == ""
    assert done.stdout == printed
