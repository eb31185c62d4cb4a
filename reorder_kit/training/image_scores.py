"""What each image of a split scores."""
