"""The files of an output directory: layout, manifest, index, checksums."""
