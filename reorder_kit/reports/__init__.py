"""The report of a run or a study: one self-contained page."""
