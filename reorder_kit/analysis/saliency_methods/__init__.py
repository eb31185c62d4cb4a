"""Ways of telling how much each patch counts, a file each."""
