"""Starting orders raced: short trainings from scratch decide which one a recipe starts from."""
