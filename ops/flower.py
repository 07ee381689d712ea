"""Flower's options, as far as they are not its defaults.

Used with ``celery -A shardmill_worker.app flower --conf=ops/flower.py``; whatever is a global
name here and an option of Flower counts.  Flower is a window: nothing depends on it.
"""

import os
from pathlib import Path

# Guards every page and the API; of /metrics and /healthcheck Flower asks no password.
basic_auth = ["shardmill:" + Path(os.environ["FLOWER_PASSWORD_FILE"]).read_text("utf-8").strip()]

# From a page that a browser keeps open nobody should stop workers or change their slots.
read_only = True

# What it has seen outlives it: events are never sent twice.
persistent = True
db = os.environ.get("FLOWER_DB", "flower")
state_save_interval = 10_000  # ms

# About 4 KB a task.
max_tasks = 20_000
purge_offline_workers = 600  # s

# The first column sorts the page: what began last is on top.
tasks_columns = "started,name,args,state,result,worker,runtime,exception"


def format_task(task):
    """Show what a batch came to as text, not as Python writes text."""
    if task.result:
        task.result = task.result.strip("'\"")
    return task
