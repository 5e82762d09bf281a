"""What one command costs: time, processor and memory, its children's included."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# A small process in between, since a child's peak memory begins at its parent's.
_METER = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
code = subprocess.call(sys.argv[1:], stdout=subprocess.DEVNULL)
wall = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]))
"""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run, and what it reads on standard input."""

    words: Sequence[str]
    stdin: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    wall: float
    """Seconds from its start to its end."""
    cpu: float
    """Seconds of processor time, its children's included."""
    memory: int
    """Bytes resident at the peak of the largest of its processes."""


class Failed(Exception):
    """A command that was measured did not do its work."""


def measured(command: Command) -> Cost:
    """Run a command and return what it cost; raise Failed with what it said if it fails."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-S", "-c", _METER, *command.words],
        input=command.stdin, capture_output=True, text=True, check=False,
        env={**kept, "PYTHONPATH": str(Path.cwd()), **command.environment},
    )  # fmt: skip
    code, wall, cpu, memory = json.loads(done.stdout.splitlines()[-1])
    if code:
        raise Failed(f"{' '.join(command.words[:6])} ... ended with {code}: {done.stderr[-2000:]}")
    return Cost(wall, cpu, memory)
