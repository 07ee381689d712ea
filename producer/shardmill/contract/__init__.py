"""What producer and workers agree on: values, names, files.  No I/O but the dataset's own."""
