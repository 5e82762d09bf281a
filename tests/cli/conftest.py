"""The command line as its user meets it: a process with arguments, streams and an exit code."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest


@dataclass(frozen=True, slots=True)
class Ran:
    """What a finished process left."""

    code: int
    out: str
    err: str


Run = Callable[..., Ran]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "mirror", *words]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MIRROR_")}
    return {**kept, "COLUMNS": "100", "NO_COLOR": "1", **more}


def unmeasured(**more: str) -> dict[str, str]:
    """Leave out what makes a process record which of its lines ran."""
    return {k: v for k, v in environment(**more).items() if not k.startswith("COV")}


@pytest.fixture
def mirror() -> Run:
    """Run the command to its end."""
    return running_in(environment)


def running_in(surroundings: Callable[..., dict[str, str]]) -> Run:
    """Return what runs the command to its end, in an environment to which more can be added."""

    def run(*words: str, stdin: str = "", **env: str) -> Ran:
        done = subprocess.run(
            command(*words),
            input=stdin.encode(),
            capture_output=True,
            env=surroundings(**env),
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@contextmanager
def serving(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `mirror serve` on a free port while the block lasts; give it and its address."""
    process = subprocess.Popen(
        command("serve", "--listen", "127.0.0.1:0", *words),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.terminate()
        process.communicate(timeout=10)


@pytest.fixture(scope="module")
def catalog() -> Iterator[str]:
    """A served registry with the made-up catalog, for the tests of a module."""
    with serving("--catalog") as (_, address):
        yield address


@pytest.fixture
def empty() -> Iterator[str]:
    """A served registry with nothing in it."""
    with serving() as (_, address):
        yield address
