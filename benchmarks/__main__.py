"""Run every benchmark and print its line; nothing here is a test."""

from benchmarks import catalog, one_blob, schedule, startup, trouble


def main() -> None:
    for measure in (startup, schedule, catalog, one_blob, trouble):
        print(measure.line(), flush=True)


main()
