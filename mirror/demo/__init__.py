"""A registry to try it on."""
