"""What a data set's own files say of its videos: read, checked, and matched to the inputs."""
