"""Models that encode a sequence of patches: one a file, each file a plugin module."""
