"""Who we are: challenges, credentials, tokens."""
