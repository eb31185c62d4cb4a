"""Orders of the patches of a grid, what they are applied to, and how they are stored."""
