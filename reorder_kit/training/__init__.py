"""Training a run: loop, evaluation, checkpoints, run folder."""
