"""What is on disk: runs, the dataset registry, data files, models."""
