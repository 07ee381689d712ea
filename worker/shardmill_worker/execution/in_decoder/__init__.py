"""What a decoder process does with a batch: everything that reads rows or media."""
