"""Experiment trackers for reorder-kit, one a file."""
