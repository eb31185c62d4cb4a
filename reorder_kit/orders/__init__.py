"""Orders of the patches of a grid: what they apply to, and how they are stored."""
