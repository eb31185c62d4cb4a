"""The parts of data sources: files, targets, splits, transforms, batches."""
