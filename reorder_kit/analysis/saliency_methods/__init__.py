"""Ways to measure how much each patch matters, one per file."""
