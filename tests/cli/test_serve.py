"""The serve command."""

import signal
import urllib.request

from tests.cli.conftest import Run, serving


def test_it_serves_until_it_is_told_to_end() -> None:
    with serving("--catalog") as (process, address):
        with urllib.request.urlopen(f"http://{address}/v2/_catalog") as answer:
            assert b"shop/cart" in answer.read()
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0


def test_a_port_that_is_taken_is_said(mirror: Run, catalog: str) -> None:
    ran = mirror("serve", "--listen", catalog)

    assert ran.code == 2
    assert catalog in ran.err
