"""Races of starting orders: short trainings from scratch decide which one a recipe starts from."""
