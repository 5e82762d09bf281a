"""Talking to a registry."""
