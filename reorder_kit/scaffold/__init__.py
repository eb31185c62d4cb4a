"""Packages for new plugins, written from templates."""
