"""A recipe turned into its parts, checked against each other; models built from them, and loaded again."""
