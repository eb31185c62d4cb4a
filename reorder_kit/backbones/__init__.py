"""Models that encode a sequence of patches: one per file; each file is a plugin module."""
