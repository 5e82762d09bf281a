"""The demo: what a newcomer sees first."""

from tests.cli.conftest import Run


def test_the_demo_copies_then_finds_nothing_to_do_and_says_what_to_try(mirror: Run) -> None:
    ran = mirror("demo")

    assert ran.code == 0
    assert len(ran.out.splitlines()) == 34
    assert "34 copied" in ran.err
    assert "34 unchanged; 0 B moved" in ran.err
    assert "mirror serve --catalog" in ran.err
