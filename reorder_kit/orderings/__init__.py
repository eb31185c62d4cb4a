"""Fixed rules that give an order for a grid: one per file; each file is a plugin module."""
