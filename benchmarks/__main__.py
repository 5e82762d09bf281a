"""Run every benchmark and print its line; nothing here is a test."""

from benchmarks import catalog, one_blob, schedule, startup


def main() -> None:
    for measure in (startup, schedule, catalog, one_blob):
        print(measure.line(), flush=True)


main()
