"""The report: one self-contained page on what an output directory holds."""
