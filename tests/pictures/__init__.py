"""The pictures of the documentation, from a real run: ``make pictures``."""
