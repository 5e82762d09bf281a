"""`python -m mirror`: the command line."""

from mirror.cli.app import main

main()
