"""A supervisor on a machine with little memory, in which two workers fit: each holds so much, and twice as much is free."""

from __future__ import annotations

import os
from pathlib import Path

from trainer.processes import supervisor
from trainer.processes.sharing import memory
from trainer.settings import MEGABYTE

HELD = 60 * MEGABYTE
FREE = 130 * MEGABYTE


def free_memory() -> int:
    """What the workers leave of it, and the reserve."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return memory.Memory().reserve + FREE - HELD * len(children)


if __name__ == "__main__":
    memory.free_memory = free_memory
    memory.held_memory = lambda pid: HELD
    supervisor.main([])
