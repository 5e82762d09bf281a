"""The commands: what they are called, what they cost to ask for help, what they refuse."""

import pytest

from tests.cli.conftest import Run


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("copy", "--help"), ("inspect", "-h")])
def test_help_has_examples(mirror: Run, words: tuple[str, ...]) -> None:
    ran = mirror(*words)

    assert ran.code == 0
    assert "  mirror " in ran.out


def test_the_version_is_said(mirror: Run) -> None:
    assert mirror("--version").out.startswith("mirror 0.")


@pytest.mark.parametrize(
    ("words", "said"),
    [((), "nothing to copy"),
     (("--no-such-option",), "No such option"),
     (("--max-per-registry", "0", "a.io/b:1=c.io/d"), "'0' is not a number of requests"),
     (("--max-per-registry", "many", "a.io/b:1=c.io/d"), "write 8, or auto"),
     (("--shard", "4/3", "a.io/b:1=c.io/d"), "4/3 is not a share"),
     (("--shard", "auto", "a.io/b:1=c.io/d"), "needs a number in JOB_COMPLETION_INDEX"),
     (("--file", "/nonexistent/file"), "/nonexistent/file: No such file"),
     (("--file", "/"), "/: Is a directory"),
     (("a.io/b:1",), "<arguments>:1: 'a.io/b:1' has no destination"),
     (("a.io/b:1=c.io/d", "stray"), "<arguments>:2: stray word 'stray'"),
     (("a.io/b:1=c.io/d", "a.io/x:1=c.io/d:1"), "two sources"),
     (("--report", "/nonexistent/x", "a.io/b:1=c.io/d"), "/nonexistent/x: cannot be written"),
     (("--retry-file", "/", "a.io/b:1=c.io/d"), "/: is a directory"),
     (("inspect", "a//b"), "not a repository path"),
     (("serve", "--listen", "nowhere"), "not an address to listen on"),
     (("serve", "--listen", "127.0.0.1:99999"), "not an address to listen on"),
     (("serve", "--listen", "192.0.2.1:5000"), "192.0.2.1:5000")],
)  # fmt: skip
def test_what_makes_no_sense_ends_with_2_and_says_why(
    mirror: Run, words: tuple[str, ...], said: str
) -> None:
    ran = mirror(*words)

    assert ran.code == 2
    assert said in ran.err
    assert "Traceback" not in ran.err
    assert ran.out == ""


def test_forty_wrong_lines_are_told_at_once(mirror: Run) -> None:
    ran = mirror("--file", "-", stdin="wrong\n" * 40)

    assert ran.code == 2
    assert [line.split(": ")[0] for line in ran.err.splitlines()[:40]] == [
        f"<stdin>:{n}" for n in range(1, 41)
    ]
