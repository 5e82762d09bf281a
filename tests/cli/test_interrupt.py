"""Signals, while the event loop turns and while it does not."""

import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from tests.cli.conftest import environment

# An expression that takes longer than anybody waits, in a loop that is blocked by it.
BLOCKED = """
import re
from mirror.cli.interrupt import interruptible
from mirror.engine.loop import run

async def work():
    with interruptible():
        print("ready", flush=True)
        re.fullmatch("(a+)+c", "a" * 60)

run(work)
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_second_signal_ends_a_process_whose_loop_is_blocked(number: int, code: int) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", BLOCKED], stdout=subprocess.PIPE, env=environment()
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            # Two that come at once are one, so they are sent until it is over.
            for _ in range(100):
                process.send_signal(number)
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.1)
                    break
            assert process.returncode == code
        finally:
            process.kill()
