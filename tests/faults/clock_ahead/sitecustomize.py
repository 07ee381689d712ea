"""Puts the clock of a process an hour ahead; put this folder on PYTHONPATH."""

import time

AHEAD_S = 3600
true_time, true_time_ns = time.time, time.time_ns

time.time = lambda: true_time() + AHEAD_S
time.time_ns = lambda: true_time_ns() + AHEAD_S * 10**9
