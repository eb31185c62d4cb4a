"""Distances between orders: one a file, each file a plugin module."""
