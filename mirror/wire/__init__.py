"""The distribution API, without a socket."""
