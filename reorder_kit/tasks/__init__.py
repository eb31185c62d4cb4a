"""Heads, losses, rewards and metrics: one task per file; each file is a plugin module."""
