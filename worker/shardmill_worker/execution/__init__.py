"""One attempt at one batch: claim, watch a decoder, commit."""
