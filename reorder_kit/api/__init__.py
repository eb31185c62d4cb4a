"""What the package offers to Python programs, beside the classes."""
