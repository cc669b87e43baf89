"""How nice a worker is to others: the more its owner has had lately, the nicer (see nice(1)).

The system's scheduler shares the cores by it. Pages, and the inspections that people wait for, come before all runs; a run
that begins, before those that train; somebody who has trained little lately, before those who have trained much.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
import time
from contextlib import suppress
from pathlib import Path

AHEAD = 5
"""By so much nicer does a worker become with its first step: somebody waits for that one."""
LEVELS = ((8.0, 10), (30.0, 12), (100.0, 14))
"""CPU seconds that a person has had lately, and the niceness of their training with less than that."""
NICEST = 16
HALF_LIFE = 60.0
"""Seconds after which what somebody has had counts half."""

SLICE = 0.1
"""Seconds of a core that a run takes at a time, where others want it, too."""

_ATTRIBUTES = "IIQiIQQQ"
"""`struct sched_attr`: size, policy, flags, nice, priority, runtime, deadline, period."""
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_TICKS = os.sysconf("SC_CLK_TCK")


class Usage:
    """The CPU seconds that each person has had lately."""

    def __init__(self) -> None:
        self._had: dict[str, float] = {}
        self._spent: dict[int, float] = {}
        self._measured = time.monotonic()

    def measure(self, owners: dict[int, str]) -> None:
        """Adds what these processes (id → owner) have used since the last measurement, and forgets the others."""
        now = time.monotonic()
        fading = 0.5 ** ((now - self._measured) / HALF_LIFE)
        self._measured = now
        self._had = {owner: left for owner, had in self._had.items() if (left := had * fading) > 0.1}
        spent = {pid: cpu_seconds(pid) for pid in owners}
        for pid, owner in owners.items():
            self._had[owner] = self._had.get(owner, 0.0) + max(0.0, spent[pid] - self._spent.get(pid, 0.0))
        self._spent = spent

    def niceness(self, owner: str) -> int:
        """Returns how nice a run of this person is while it trains."""
        had = self._had.get(owner, 0.0)
        return next((level for most, level in LEVELS if had < most), NICEST)


def take_long_slices() -> None:
    """Lets the calling thread train for a while each time that it has a core, where the system can be told so: whoever trains on
    the core next begins with cold caches. Others that wake with something short to do still come at once.

    See sched_setattr(2); Linux takes the length of a slice from 6.12 on. The C library has no function for it before 2.41.
    """
    number = _SCHED_SETATTR.get(platform.machine())
    if number is None or not sys.platform.startswith("linux"):
        return
    nice, nanoseconds = os.getpriority(os.PRIO_PROCESS, 0), int(SLICE * 1e9)
    size = struct.calcsize(_ATTRIBUTES)
    attributes = struct.pack(_ATTRIBUTES, size, os.SCHED_BATCH, 0, nice, 0, nanoseconds, 0, 0)
    ctypes.CDLL(None).syscall(number, 0, attributes, 0)  # refused, slices are as they were


def cpu_seconds(pid: int) -> float:
    """Returns the CPU seconds that a process has used; 0 where the system does not say."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS
    except (OSError, ValueError, IndexError):
        return 0.0


def make_nicer(pid: int, niceness: int) -> None:
    """Makes the thread that trains in a process this nice, if it is less so. Those that record and beat stay as they are; and
    it takes privileges to make any less nice again, so nobody does."""
    with suppress(OSError):
        if os.getpriority(os.PRIO_PROCESS, pid) < niceness:
            os.setpriority(os.PRIO_PROCESS, pid, niceness)
