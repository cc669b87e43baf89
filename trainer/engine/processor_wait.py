"""How long a thread has waited for a processor: where many runs share few cores, most of each one's time passes so."""

from __future__ import annotations

import threading
from pathlib import Path


def waited(thread: int | None = None) -> float:
    """Returns the seconds for which a thread of this process (None: the caller's) was ready to run and had to wait for a
    processor; 0 where the system does not count them.

    See `sched-stats` in the Linux kernel's documentation: time on a processor, time waiting for one, both in nanoseconds.
    """
    number = threading.get_native_id() if thread is None else thread
    try:
        counts = Path(f"/proc/self/task/{number}/schedstat").read_text().split()
        return int(counts[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return 0.0
