"""A client of a cluster whose workers are like this process, or an error that says why not."""

import logging
from pathlib import Path

import pytest

from mirror.cluster.connection import connected, is_private
from mirror.errors import UsageError
from tests.cluster import test_worker

scheduler = test_worker.scheduler
LOGGER = logging.getLogger("distributed")


@pytest.mark.parametrize(
    ("scheduler", "private"),
    [(None, True), ("tls://x:1", True), ("wss://x:1", True), ("tcp://x:1", False), ("x:1", False)],
)
def test_only_tls_and_a_cluster_of_our_own_are_private(
    scheduler: str | None, private: bool
) -> None:
    assert is_private(scheduler) is private


async def test_a_client_works_silently_and_all_is_left_as_it_was(scheduler: str) -> None:
    level = LOGGER.level
    async with connected(scheduler) as client:
        assert not LOGGER.isEnabledFor(logging.CRITICAL)
        assert await client.submit(abs, -1) == 1

    assert (client.status, LOGGER.level) == ("closed", level)


@pytest.mark.parametrize(
    ("address", "said", "hint"),
    [
        ("nonsense", "no scheduler answers at nonsense: missing port", "is it tls:// or tcp://?"),
        ("tls://127.0.0.1:1", "TLS expects", "export DASK_DISTRIBUTED__COMM__TLS__CA_FILE, "),
    ],
)
async def test_an_address_that_leads_nowhere_is_an_error_that_says_what_to_try(
    address: str, said: str, hint: str
) -> None:
    level = LOGGER.level
    with pytest.raises(UsageError, match=said) as caught:
        async with connected(address):
            raise AssertionError
    assert hint in caught.value.hint
    assert LOGGER.level == level


@pytest.mark.parametrize(("metadata", "has"), [("Version: 9.9", r"mirror 9\.9"), ("", "no mirror")])
async def test_a_worker_that_has_another_version_is_named_with_what_to_install(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, metadata: str, has: str
) -> None:
    installed = tmp_path / "oci_mirror-9.9.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text(f"Name: oci-mirror\n{metadata}\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(UsageError, match=rf"the worker \S+ has {has}, this is ") as caught:
        async with connected(scheduler):
            raise AssertionError
    assert "Install the same oci-mirror[dask]" in caught.value.hint
