"""Where things lie and how many workers run: read from the environment; the defaults suit one person's machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

VERSION = "0.1.0"
"""Trainscope's."""
MEGABYTE = 1_000_000
RUNS_PER_CORE = 32
"""Runs that share a core at most, where nobody has set how many train at once: more would wait long for each step."""
CGROUPS, OWN_CGROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


class SettingsError(ValueError):
    """A setting in the environment cannot be used; the text is one sentence for a person."""


class Settings(BaseSettings):
    """All settings; each is read from ``TRAINSCOPE_<NAME>`` in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="TRAINSCOPE_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    home: Path = Field(Path(".trainscope"), description="Folder for database, checkpoints and data sets.")
    database_url: str = Field(
        "", description="SQLAlchemy URL; empty means an SQLite file in the home folder."
    )
    data_folder: Path | None = Field(
        None, description="Folder of data sets; default: data/ in the home folder."
    )
    max_workers: int = Field(
        default_factory=lambda: usable_cores(),
        ge=1,
        le=1024,
        description="Runs that train at once; by default, one for each usable core, and the newest of each person.",
    )
    turn_seconds: float = Field(
        15.0, ge=0.1, le=86_400, description="Seconds that a run trains before it makes room for others."
    )
    max_live_runs: int = Field(
        1_000,
        ge=1,
        le=1_000_000,
        description="Runs of all visitors together that may be queued or in training.",
    )
    max_live_runs_per_visitor: int = Field(
        100, ge=1, le=1_000_000, description="Runs of one visitor that may be queued or in training."
    )
    max_run_points: int = Field(5_000_000, ge=1, description="Steps in the curves of one run.")
    max_run_seconds: int = Field(
        604_800, ge=1, le=1_000_000_000, description="Seconds that one run of a visitor may train."
    )
    max_run_mb: int = Field(
        5_000, ge=1, description="Megabytes of checkpoints that one run may keep to resume from."
    )
    max_kept_mb: int = Field(
        500, ge=0, description="Megabytes of each visitor's checkpoints that are kept to branch from."
    )
    max_worker_mb: int = Field(
        default_factory=lambda: usable_memory() // MEGABYTE,
        ge=1,
        description="Megabytes of memory that a worker may take.",
    )
    max_space_mb: int = Field(
        100_000,
        ge=1,
        le=1_000_000_000,
        description="Megabytes of curves, checkpoints and own data that an owner may allow a space.",
    )
    upload_quota_mb: int = Field(
        500, ge=1, le=1_000_000, description="Megabytes of own data that each visitor may keep."
    )

    @field_validator("home", "data_folder")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # Absolute, because workers and the web process need not share a working directory.
        return None if path is None else path.expanduser().absolute()

    @property
    def url(self) -> str:
        """The database to open: `database_url`, or the SQLite file in `home`."""
        return self.database_url or f"sqlite:///{self.home.absolute() / 'trainscope.db'}"

    @property
    def most_workers(self) -> int:
        """Runs that train at once at most: as many as were asked for, else as share the cores in good order."""
        return self.max_workers if self.asked_for_workers else RUNS_PER_CORE * self.max_workers

    @property
    def asked_for_workers(self) -> bool:
        """Whether somebody has set how many runs train at once."""
        return "max_workers" in self.model_fields_set

    @property
    def data(self) -> Path:
        """The folder of data sets; downloads go there."""
        return self.data_folder or self.home.absolute() / "data"

    @property
    def uploads(self) -> Path:
        """The folder of people's own files, named by the digest of their content."""
        return self.home.absolute() / "uploads"

    def run_folder(self, run_id: int) -> Path:
        """Returns the folder of one run: checkpoints, lock and the worker's log. It need not exist yet."""
        return self.home.absolute() / "runs" / str(int(run_id))

    def remove_run_folder(self, run_id: int) -> None:
        """Deletes a run's folder with everything in it, if there is one."""
        shutil.rmtree(self.run_folder(run_id), ignore_errors=True)


def get_settings() -> Settings:
    """Returns the settings from the environment. Raises `SettingsError` with one sentence when one is wrong."""
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        name = "TRAINSCOPE_" + ".".join(str(part) for part in first["loc"]).upper()
        raise SettingsError(f"{name} is {first['input']!r}: {first['msg']}.") from None


def usable_cores() -> int:
    """Returns how many cores this process may use: its affinity mask, limited by the CPU quota of its control group.

    joblib.cpu_count() sees only a quota on the root of the hierarchy, not one on a systemd unit, and rounds 1.5 cores up to
    two workers, which would then slow each other down.
    """
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS and Windows have no affinity call
        cores = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, cores if quota is None else min(cores, int(quota)))


def usable_memory() -> int:
    """Returns how many bytes of memory this process may use: the machine's, limited by its control group."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *(limit for limit, _ in memory_limits())])


def memory_limits() -> list[tuple[int, int]]:
    """Returns the (limit, bytes in use) of each control group that limits this process's memory. Files that the kernel keeps
    in memory, and would drop first, are not in use."""
    groups = [(folder, "memory.max", "memory.current") for folder in _cgroup_folders()]
    groups.append((CGROUPS / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"))
    found = []
    for folder, limit_name, used_name in groups:
        if (limit := _read_bytes(folder / limit_name)) is not None:
            used = _read_bytes(folder / used_name) or 0
            found.append((limit, max(0, used - _inactive_files(folder))))
    return found


def _inactive_files(folder: Path) -> int:
    try:
        lines = (folder / "memory.stat").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, StopIteration, ValueError, IndexError):
        return 0


def _read_bytes(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # "max" is no limit
        return None


def _cgroup_quota() -> float | None:
    """Returns the CPU quota of this process in cores (control groups v2 or v1), or None without one."""
    quotas = [_read_v2(folder / "cpu.max") for folder in _cgroup_folders()]
    quotas.append(_read_v1(CGROUPS / "cpu"))
    return min((quota for quota in quotas if quota is not None), default=None)


def _cgroup_folders() -> list[Path]:
    """Returns this process's v2 group and its ancestors: the smallest quota of them all is the one that holds."""
    try:
        lines = OWN_CGROUP.read_text().splitlines()
    except OSError:
        return [CGROUPS]
    own = CGROUPS / next((line[3:].lstrip("/") for line in lines if line.startswith("0::")), "")
    return [own, *own.parents]


def _read_v2(path: Path) -> float | None:
    try:
        quota, period = path.read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _read_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text())
        return None if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())
    except (OSError, ValueError, ZeroDivisionError):
        return None
