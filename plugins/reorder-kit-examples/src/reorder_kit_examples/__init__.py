"""Plugins for reorder-kit, to copy from."""
