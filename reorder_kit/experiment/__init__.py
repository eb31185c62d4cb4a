"""Recipes turned into parts that are checked against one another; models built from these parts and loaded again."""
