"""Archives taken for folders: what media files lie in them, and where."""
