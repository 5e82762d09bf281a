"""What was asked for: mappings, read and expanded."""
