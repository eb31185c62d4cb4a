"""Intervals, tests and corrections, of numbers that know nothing of orders."""
