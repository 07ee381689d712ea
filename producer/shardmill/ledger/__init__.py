"""A job's live state in Redis: what is in flight, who holds it, what is counted.

The ledger is the truth of a running job, as the output directory is of a finished one; the
queue's messages are only hints.  Each transition is one Lua script, applied whole or not at all,
harmless when applied twice.
"""
