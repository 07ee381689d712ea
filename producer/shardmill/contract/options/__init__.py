"""The options of a job: which frames, what size, which labels and splits.  Pure functions."""
