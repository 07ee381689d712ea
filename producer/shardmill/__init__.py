"""Turns a directory of videos and images into training-ready frame shards."""
