"""Modules that backbones share."""
