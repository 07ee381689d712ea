"""The embedded cluster of one run."""
