"""What is measured, so that nobody has to guess: `make bench`."""
