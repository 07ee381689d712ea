"""What is to do: inputs compared with what is done, labels, splits, duplicates."""
