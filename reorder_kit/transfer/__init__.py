"""Orders learned for one model, read by another."""
