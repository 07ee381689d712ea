"""Changes to files: durable, whole, and confined to what they should touch."""
