"""Intervals, tests and corrections, for numbers of any kind."""
