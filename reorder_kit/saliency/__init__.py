"""How much each patch of an image counts for a trained model: one method a file."""
