"""How much memory this process holds, and how much training took at most."""

from __future__ import annotations

from pathlib import Path


def read_status(field: str) -> int | None:
    """Returns a field of this process's status in bytes, such as "VmData"; None where the system does not have it.

    See proc_pid_status(5). `getrusage` will not do: its maximum is inherited from the process that started this one.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))
    except (OSError, StopIteration):
        return None


class PeakMemory:
    """Measures from its creation on. Whatever the process held before, libraries included, is not counted."""

    def __init__(self) -> None:
        self._before = read_status("VmHWM")

    def bytes_on(self, device: str) -> int | None:
        """Returns the most bytes taken so far, on a GPU where `device` is "cuda"; None where the system does not say."""
        if device == "cuda":
            import torch

            return torch.cuda.max_memory_allocated()
        now = read_status("VmHWM")
        return None if now is None or self._before is None else now - self._before
