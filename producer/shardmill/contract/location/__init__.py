"""Where an input lies: input directories, archives, image sequences."""
