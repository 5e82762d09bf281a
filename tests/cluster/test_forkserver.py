"""The process of which workers are forked."""

import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import unmeasured

PROGRAM = """
import multiprocessing, signal, sys
from mirror.cluster.forkserver import begin

def loaded(results):
    results.put("mirror.cluster.worker" in sys.modules)

if __name__ == "__main__":
    begin()
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    context = multiprocessing.get_context("forkserver")
    results = context.SimpleQueue()
    process = context.Process(target=loaded, args=(results,))
    process.start()
    print(results.get())
    process.join()
"""


def test_a_worker_finds_its_modules_loaded_and_this_process_still_hears_ctrl_c(
    tmp_path: Path,
) -> None:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)

    ran = subprocess.run(
        [sys.executable, str(file)], capture_output=True, text=True, check=False, timeout=60,
        env=unmeasured(),
    )  # fmt: skip

    assert (ran.stdout, ran.stderr) == ("True\n", "")
