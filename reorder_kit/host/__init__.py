"""Finds plugins and keeps what they provide."""
