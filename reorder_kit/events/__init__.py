"""Listeners of run events: one a file, each file a plugin module. The training loop imports none of them."""
