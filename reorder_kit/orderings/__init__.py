"""Fixed rules that give an order for a grid: one a file, each file a plugin module."""
