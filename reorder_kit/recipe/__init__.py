"""What a recipe file says: its sections, how it is read, and where it lies."""
