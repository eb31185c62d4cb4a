"""Transfer: orders learned for one model, read by another."""
