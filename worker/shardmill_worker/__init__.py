"""The heavy side: everything that touches media."""
