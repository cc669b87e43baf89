"""What a space, each of its members and each of its runs may take: one table, each row with its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, PositiveInt, ValidationError, create_model

from trainer.settings import Settings
from trainer.spaces.spaces import SpaceKind

CLASSROOM: Final = 30
"""People behind one network address for whom there is room: a class behind one router."""
SHARE_OF_ADDRESS: Final = 0.5
"""Part of all live runs that one address may have at most, so that none fills the installation."""


SETTINGS: Final = {
    "of_one": "max_live_runs_per_visitor",
    "together": "max_live_runs",
    "files_mb": "upload_quota_mb",
    "megabytes": "max_space_mb",
    "run_steps": "max_run_points",
    "run_seconds": "max_run_seconds",
    "run_memory_mb": "max_worker_mb",
}
"""The setting that holds each of the installation's limits."""


@dataclass(frozen=True)
class Limits:
    """What the installation allows. Runs: of one visitor, of all together, and of one network address. Megabytes of files and
    imported runs: of one visitor, and of one address. The rest bounds what a space may allow. The command line has no limit."""

    of_one: int = 100
    together: int = 1_000
    files_mb: int = 500
    megabytes: int = 100_000
    run_steps: int = 5_000_000
    run_seconds: int = 604_800
    run_memory_mb: int = 1_000_000

    @classmethod
    def of(cls, settings: Settings) -> Limits:
        """Returns those of the settings."""
        return cls(**{name: getattr(settings, setting) for name, setting in SETTINGS.items()})

    @property
    def of_address(self) -> int:
        """Live runs of one address: as many as a class may have, and never more than its share of all."""
        return max(self.of_one, min(CLASSROOM * self.of_one, int(SHARE_OF_ADDRESS * self.together)))

    @property
    def address_mb(self) -> int:
        """Megabytes of files and imported runs from one address."""
        return CLASSROOM * self.files_mb


@dataclass(frozen=True)
class Rule:
    """One limit of a space. It is as high as the installation's `bound`, unless the `usual` one of the space's kind is lower,
    or an owner of the space has set another."""

    name: str
    label: str
    unit: str
    bound: str
    usual: Mapping[SpaceKind, int]
    why: str

    def default(self, kind: SpaceKind, limits: Limits) -> int:
        """Returns the limit of a space where nobody has set another."""
        return min(self.usual.get(kind, self.most(limits)), self.most(limits))

    def most(self, limits: Limits) -> int:
        """Returns how high an owner may set it."""
        return int(getattr(limits, self.bound))


_ROOM, _PROJECT, _PRIVATE = SpaceKind.ROOM, SpaceKind.PROJECT, SpaceKind.PRIVATE
RULES: Final = (
    Rule(
        "live_runs_each",
        "Live runs of a member",
        "runs",
        "of_one",
        {_ROOM: 80},
        "The largest ready-made comparison, of 72 runs, fits.",
    ),
    Rule(
        "live_runs",
        "Live runs of all members",
        "runs",
        "together",
        {_ROOM: 500, _PROJECT: 500},
        "No shared space takes all the places of the installation.",
    ),
    Rule(
        "queued_runs_each",
        "Queued runs of a member",
        "runs",
        "of_one",
        {_ROOM: 80},
        "A comparison is queued whole, so as many may wait as may be live.",
    ),
    Rule(
        "queued_runs",
        "Queued runs of all members",
        "runs",
        "together",
        {_ROOM: 500, _PROJECT: 500},
        "Lower it, and a lesson ends without a long queue.",
    ),
    Rule(
        "megabytes_each",
        "Disk space of a member",
        "MB",
        "megabytes",
        {_PRIVATE: 10_000, _ROOM: 1_000, _PROJECT: 10_000},
        "Curves, checkpoints and files; a small network takes less than 1 MB a run.",
    ),
    Rule(
        "megabytes",
        "Disk space of all members",
        "MB",
        "megabytes",
        {_ROOM: 20_000, _PROJECT: 50_000},
        "Several spaces share one disk.",
    ),
    Rule(
        "run_steps",
        "Steps of a run",
        "steps",
        "run_steps",
        {_ROOM: 1_000_000},
        "More points than a lesson can look at.",
    ),
    Rule(
        "run_seconds",
        "Training time of a run",
        "s",
        "run_seconds",
        {_ROOM: 3_600},
        "A run that was forgotten ends by itself: in a room after a lesson.",
    ),
    Rule(
        "run_memory_mb",
        "Memory of a run",
        "MB",
        "run_memory_mb",
        {_ROOM: 4_000},
        "One large network must not keep a class waiting for memory.",
    ),
)
"""In a private space those of all members say nothing: there is one. In the installation's space only the command line trains,
which has no limit."""


@dataclass(frozen=True)
class SpaceLimits:
    """The limits that hold in a space, by the names in RULES."""

    live_runs_each: int
    live_runs: int
    queued_runs_each: int
    queued_runs: int
    megabytes_each: int
    megabytes: int
    run_steps: int
    run_seconds: int
    run_memory_mb: int

    @property
    def of_run(self) -> dict[str, int]:
        """Those that a run takes along when it is created."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name.startswith("run_")}


class _Overrides(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


_made: Mapping[str, Any] = {one.name: (PositiveInt | None, None) for one in RULES}
Overrides: type[_Overrides] = create_model("Overrides", __base__=_Overrides, **_made)
"""What an owner has set; None stands for the usual limit."""


class LimitValueError(ValueError):
    """A limit cannot be set so; the text is a sentence."""


def limits_of(kind: SpaceKind, overrides: Mapping[str, Any], limits: Limits) -> SpaceLimits:
    """Returns the limits that hold in a space. None of them exceeds what the installation allows, also where that was more
    when an owner set it."""
    held = {
        one.name: min(int(overrides.get(one.name) or one.default(kind, limits)), one.most(limits))
        for one in RULES
    }
    return SpaceLimits(**held)


def changed(overrides: Mapping[str, Any], values: Mapping[str, Any], limits: Limits) -> dict[str, int]:
    """Returns the overrides with other `values`, None for the usual limit. Raises LimitValueError for an unknown name, and for
    a value that is no whole number from 1 to what the installation allows."""
    try:
        found = Overrides(**{**overrides, **values}).model_dump(exclude_none=True)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        if first["type"] == "extra_forbidden":
            known = ", ".join(one.name for one in RULES)
            raise LimitValueError(f"There is no limit {name[:40]!r}. The limits are {known}.") from None
        raise LimitValueError(f"{name} is {str(first['input'])[:40]}; use a whole number from 1.") from None
    for one in RULES:
        if one.name in values and (value := found.get(one.name, 0)) > (most := one.most(limits)):
            raise LimitValueError(
                f"{one.label}: {value:,} {one.unit} is more than this installation allows. Use at most {most:,}."
            )
    return found


@dataclass(frozen=True)
class Used:
    """What is taken of each limit on runs and space, by those whose it is. Sizes in bytes; `visitor_bytes` and `address_bytes`
    are those of files and imported runs."""

    live_each: int = 0
    live: int = 0
    queued_each: int = 0
    queued: int = 0
    visitor: int = 0
    address: int = 0
    everybody: int = 0
    bytes_each: int = 0
    bytes: int = 0
    visitor_bytes: int = 0
    address_bytes: int = 0


@dataclass(frozen=True)
class Wanted:
    """What somebody is about to add: runs that will be live, those of them that will wait first, and bytes. `kept` bytes are
    files and imported runs, which also count for their visitor and address. What `moves` is somewhere else already, so that it
    is new to the space alone."""

    runs: int = 0
    queued: int = 0
    bytes: int = 0
    kept: int = 0
    moves: bool = False
    by_owner: bool = True
    """Whether whoever asks is who it will count for."""


ANY_FILE: Final = Wanted(bytes=1, kept=1)
"""A file or an imported run whose size is not known yet."""


def new_runs(count: int = 1, *, waits: bool = True) -> Wanted:
    """Returns what new runs take, which are queued unless their caller trains them at once."""
    return Wanted(runs=count, queued=count if waits else 0)
