"""Makes every process send each of its messages three times; put this folder on PYTHONPATH."""

from shardmill.ledger import messages

once = messages.send


def thrice(app, job, batches):
    for _ in range(3):
        once(app, job, batches)


messages.send = thrice
