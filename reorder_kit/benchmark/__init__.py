"""Benchmarks of learners on data with a known best order."""
