"""The report of a run or a study: one page that needs nothing but itself."""
