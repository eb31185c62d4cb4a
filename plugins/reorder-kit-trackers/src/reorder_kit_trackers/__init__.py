"""Experiment trackers for reorder-kit, one per file."""
