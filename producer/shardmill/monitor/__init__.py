"""How far a job is, when it ends, and steering it."""
