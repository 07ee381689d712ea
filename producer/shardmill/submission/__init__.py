"""From a directory to messages: enumerate, compare with what is done, send, watch."""
