"""How much memory is free, and how much of it a worker holds that no other process shares."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

from trainer.settings import MEGABYTE, memory_limits, usable_memory

FIRST = 150 * MEGABYTE
"""What a worker is taken to hold before any has been measured."""
MEMINFO = Path("/proc/meminfo")


def kind_of(config: Mapping[str, Any]) -> str:
    """Returns what decides how much a run holds, and how long its steps take: data, model and batch size."""
    return json.dumps([config.get(name) for name in ("data", "model", "batch_size")], sort_keys=True)


def free_memory() -> int | None:
    """Returns the bytes that new processes can take, of the machine and of each control group; None where it is unknown."""
    found = [limit - used for limit, used in memory_limits()]
    with suppress(OSError, StopIteration, ValueError, IndexError):
        lines = MEMINFO.read_text().splitlines()
        found.append(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")))
    return min(found, default=None)


def held_memory(pid: int) -> int | None:
    """Returns the bytes that a process shares with no other: what its end would set free. None where it is unknown.

    See proc_pid_smaps_rollup(5). Reading it takes milliseconds, so not every process is asked every time.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        private = [line.split() for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:"))]
        return sum(int(fields[1]) for fields in private) * 1024 if private else None
    except (OSError, ValueError, IndexError):
        return None


class Memory:
    """What workers hold, measured one after another, and what the next one needs: the most that one like it has held."""

    def __init__(self) -> None:
        self.reserve = max(200 * MEGABYTE, usable_memory() // 20)
        self._most: dict[str, int] = {}
        self._held: dict[int, int] = {}

    def measure_next(self, kinds: dict[int, str]) -> None:
        """Measures that of these workers (process id → kind) that was measured longest ago, and forgets the others."""
        self._held = {pid: held for pid, held in self._held.items() if pid in kinds}
        pid = next((one for one in kinds if one not in self._held), next(iter(self._held), None))
        if pid is not None and (held := held_memory(pid)) is not None:
            self._held.pop(pid, None)
            self._held[pid] = held  # the last in line now
            self._most[kinds[pid]] = max(held, self._most.get(kinds[pid], 0))

    def needed(self, kind: str) -> int:
        """Returns the bytes that a run of this kind will hold: the most that one has, else as others usually do."""
        return self._most.get(kind) or int(median(self._most.values() or [FIRST]))

    def room(self, kinds: dict[int, str]) -> float:
        """Returns the bytes for further runs, when these workers (process id → kind) have grown to what their kind needs."""
        free = free_memory()
        if free is None:
            return float("inf")
        growth = sum(max(0, self.needed(kind) - self._held.get(pid, 0)) for pid, kind in kinds.items())
        return free - growth - self.reserve

    @property
    def is_short(self) -> bool:
        """Whether so little is left that a run has to leave."""
        free = free_memory()
        return free is not None and free < self.reserve / 2

    def largest(self) -> int | None:
        """Returns the process that holds most."""
        return max(self._held, key=self._held.__getitem__, default=None)
