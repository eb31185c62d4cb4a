"""Learners on data with a known best order."""
