"""What data sources are made of: files, targets, splits, transforms, batches."""
