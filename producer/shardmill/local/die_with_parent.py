"""Run a program that ends when its parent does: ``die_with_parent.py PARENT_PID PROGRAM ...``.

Run as a file by a bare interpreter, so it imports nothing of shardmill.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(sys.argv[1]):
        sys.exit(1)  # the parent was faster
    os.execv(sys.argv[2], sys.argv[2:])
