"""Studies: many runs, the controls beside them, and the statistics over their seeds."""
