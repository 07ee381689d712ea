"""Enumeration of a job's inputs: directories, lists, archives, image sequences."""
