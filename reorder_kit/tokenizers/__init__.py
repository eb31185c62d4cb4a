"""Tokenizers that come with reorder-kit, one per file."""
