"""Listeners to run events, one per file, each a plugin module. The training loop imports none of them."""
