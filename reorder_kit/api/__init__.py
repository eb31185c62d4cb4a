"""The public Python functions of the package."""
