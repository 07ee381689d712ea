"""Imported once by the fork server, so that every decoder starts with av and cv2 in place.

The fork server leaves the terminal's process group and ignores group signals: it ends when its
worker does, and takes part in no shutdown.
"""

import gc
import os
import signal

import av  # noqa: F401
import cv2  # noqa: F401

import shardmill_worker.engine.decoder  # noqa: F401

gc.freeze()  # no decoder looks through it for garbage, nor needs a copy of its own for that
if os.getpid() != os.getsid(0):
    os.setsid()
for group_signal in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(group_signal, signal.SIG_IGN)
