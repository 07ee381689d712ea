"""Imported once by the fork server, so that every decoder starts with av and cv2 in place.

The fork server leaves the terminal's process group and ignores group signals: it ends when its
worker does, and takes part in no shutdown.
"""

import gc
import os
import signal
from importlib import import_module
from typing import Final

LOADED: Final = (
    "shardmill_worker.engine.decoder",
    "shardmill_worker.execution.in_decoder.dispatch",
    "shardmill_worker.engine.shards.tfrecord",  # the format of most jobs
)

gc.disable()  # nothing of what is loaded is garbage
for module in LOADED:
    import_module(module)
gc.freeze()  # no decoder looks through it for garbage, nor needs a copy of its own for that
gc.enable()
if os.getpid() != os.getsid(0):
    os.setsid()
for group_signal in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(group_signal, signal.SIG_IGN)
