"""What `mirror sync` was asked for: a YAML file, read with every problem at its place."""
