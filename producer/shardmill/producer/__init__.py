"""From a request to messages: one job of this process, fed into the window."""
