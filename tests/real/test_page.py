"""The page of a run in a browser, light and dark."""

import json
import subprocess
import zlib
from pathlib import Path

from tests.cli.conftest import Run, catalog, empty

__all__ = ["catalog", "empty"]

# The browser's own names of what a page may ask for.
_DARK, _LIGHT = "--blink-settings=preferredColorScheme=0", "--blink-settings=preferredColorScheme=1"


def test_a_run_is_a_page_that_a_browser_draws_light_and_dark(
    mirror: Run, catalog: str, empty: str, tmp_path: Path
) -> None:
    before, report, page = (str(tmp_path / name) for name in ("a.json", "b.json", "page.html"))
    mirror(f"{catalog}/shop/*={empty}/*", "--report", before)
    failed = f"{catalog}/none:1={empty}/none"
    assert mirror(f"{catalog}/*={empty}/m/*", failed, "--report", report).code == 1

    ran = mirror("report", report, "--before", before, "--html", page)

    assert (ran.code, ran.out, ran.err) == (0, "", "")
    (document, light), (_, dark) = (_drawn(page, tmp_path, scheme) for scheme in (_LIGHT, _DARK))
    assert "1 failed and needs attention." in document
    assert f"{empty}/m/shop/cart:1.0" in document
    assert min(_first_pixel(light)) > 200
    assert max(_first_pixel(dark)) < 60


def test_a_report_is_told_in_a_few_lines(mirror: Run, catalog: str, empty: str) -> None:
    ran = mirror(f"{catalog}/shop/cart={empty}/x", f"{catalog}/none:1={empty}/y", "-o", "json")

    told = mirror("report", "-", stdin=ran.out)

    assert told.out.splitlines()[0] == "1 failed and needs attention."
    assert "3 copied, 1 failed" in told.out
    assert f"failed: {catalog}/none:1" in told.out
    assert f"new: {empty}/x:1.0" in told.out.splitlines()
    assert mirror("report", "-", stdin=json.dumps({"schema": "x"})).code == 2
    assert mirror("report", "nowhere.json").code == 2
    assert mirror("report", "-", "--before", "-", stdin=ran.out).code == 2
    assert mirror("report", "-", "--html", "/nowhere/page.html", stdin=ran.out).code == 2


def _drawn(page: str, folder: Path, scheme: str) -> tuple[str, bytes]:
    """Return the document as the browser understood it, and its picture."""
    picture = folder / "page.png"
    picture.unlink(missing_ok=True)
    # As root, as in a container, the browser cannot have a sandbox of its own.
    common = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
    wanted = ("--window-size=900,600", "--dump-dom", f"--screenshot={picture}")
    done = subprocess.run(
        ["chromium", *common, scheme, *wanted, f"file://{page}"],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout, picture.read_bytes()


def _first_pixel(picture: bytes) -> tuple[int, ...]:
    """Return red, green and blue of the upper left corner of a PNG, which no filter alters."""
    data, at = b"", 8
    while at < len(picture):
        length = int.from_bytes(picture[at : at + 4])
        if picture[at + 4 : at + 8] == b"IDAT":
            data += picture[at + 8 : at + 8 + length]
        at += 12 + length
    return tuple(zlib.decompress(data)[1:4])
