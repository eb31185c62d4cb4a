"""Example plugins for reorder-kit."""
