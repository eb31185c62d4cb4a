"""Studies: many runs with controls, and statistics over their seeds."""
