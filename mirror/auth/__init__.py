"""Logging in to registries: challenges, credentials, tokens."""
