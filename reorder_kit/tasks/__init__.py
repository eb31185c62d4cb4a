"""Heads, losses, rewards and metrics: one task a file, each file a plugin module."""
