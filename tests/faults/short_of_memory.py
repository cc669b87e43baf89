"""A supervisor on a machine whose free memory is little: so many bytes beside the reserve, less what its workers hold."""

from __future__ import annotations

import os
from pathlib import Path

from trainer.processes import supervisor
from trainer.processes.sharing import memory
from trainer.settings import MEGABYTE

FREE = 160 * MEGABYTE
"""Enough for one worker, of which nothing is known yet, or for a few, once it is known how little each holds."""


def free_memory() -> int:
    """What is left of it."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    held = sum(memory.held_memory(int(child)) or 0 for child in children)
    return memory.Memory().reserve + FREE - held


if __name__ == "__main__":
    memory.free_memory = free_memory
    supervisor.main([])
