"""What one run may take: points, disk and memory. One that would take more fails with a sentence, before its first step
where that can be known; the settings hold the limits."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from trainer.config import RunConfig
from trainer.engine.datasplit import steps_per_epoch
from trainer.formatting import format_bytes
from trainer.preflight.footprint import training_bytes
from trainer.processes.process_memory import read_status
from trainer.settings import MEGABYTE, Settings

if TYPE_CHECKING:
    from trainer.engine.build import BuiltRun


class LimitError(Exception):
    """A run takes more than it may; the text is a sentence with the figures and the remedy."""


def held_to(settings: Settings, limits: Mapping[str, int] | None) -> Settings:
    """Returns the settings with which a run trains that has limits of its own, from its space; see `Run.limits`."""
    if limits is None:
        return settings
    lower = {
        name: min(getattr(settings, name), limits[limit])
        for name, limit in (("max_run_points", "run_steps"), ("max_worker_mb", "run_memory_mb"))
    }
    return settings.model_copy(update=lower)


def require_points(config: RunConfig, settings: Settings, limits: Mapping[str, int] | None = None) -> None:
    """Raises LimitError when the run's curves would have more points than they may, by the settings and by the run's own
    `limits`."""
    epochs, steps = config.epochs, steps_per_epoch(config)
    most = held_to(settings, limits).max_run_points
    if (points := epochs * steps) > most:
        where = "" if most == settings.max_run_points else " in this space"
        raise LimitError(
            f"The run's curves would have {points:,} points, {steps:,} for each of {epochs:,} epochs, and a run may have "
            f"{most:,}{where}. Train at most {most // steps:,} epochs, or use a larger batch size."
        )


def require_disk(run_folder: Path, settings: Settings) -> None:
    """Raises LimitError when the run's checkpoints take more space than they may."""
    taken = 0
    with contextlib.suppress(OSError):
        taken = sum(path.stat().st_size for path in run_folder.iterdir())
    if taken > (most := settings.max_run_mb * MEGABYTE):
        raise LimitError(
            f"The run's checkpoints take {format_bytes(taken)} on the disk, and a run may take {format_bytes(most)}. "
            "Train a smaller model."
        )


def require_memory(run: BuiltRun, settings: Settings) -> None:
    """Raises LimitError when training needs more memory than there can be: the GPU's, or what a worker may take."""
    needed, most = training_bytes(run), _memory_of(run, settings)
    if (total := sum(needed.values())) > most:
        parts = ", ".join(f"{format_bytes(count)} for {name}" for name, count in needed.items() if count)
        raise LimitError(
            f"Training needs about {format_bytes(total)} of memory, and {format_bytes(most)} can be had: {parts}. "
            "Use a smaller model or a smaller batch size."
        )


def limit_memory(most: int, sacrifice: int | None = None) -> None:
    """Makes an allocation fail that takes this process `most` bytes beyond what it was forked with: an error that can be
    told, where the kernel would kill. Should the machine's memory run out all the same, the kernel kills processes with
    more `sacrifice` first (0 to 1000)."""
    with contextlib.suppress(OSError, ValueError):
        if sacrifice is not None:
            Path("/proc/self/oom_score_adj").write_text(str(sacrifice))
        if (present := read_status("VmData")) is not None:
            hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
            resource.setrlimit(resource.RLIMIT_DATA, (present + most, hard))


def _memory_of(run: BuiltRun, settings: Settings) -> int:
    if run.device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(run.device)[1]
    return settings.max_worker_mb * MEGABYTE
