"""What became of it, folded from events."""
