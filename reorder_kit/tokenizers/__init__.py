"""Tokenizers that come with reorder-kit, one a file."""
