"""What an image is: names, digests, platforms, manifests."""
