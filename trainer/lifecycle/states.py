"""The states of a run, and the one table of what leads from each to the next."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class RunState(StrEnum):
    """Where a run stands. The values are what the database, exports and the live connection carry."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    INTERRUPTED = "interrupted"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def label(self) -> str:
        """The state as pages show it."""
        return "Training" if self is RunState.RUNNING else self.value.capitalize()

    @property
    def is_over(self) -> bool:
        """Whether the run stays as it is until a person resumes it."""
        return self in (RunState.FINISHED, RunState.STOPPED, RunState.FAILED)


class JobState(StrEnum):
    """Where a download or an inspection stands."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    FAILED = "failed"

    @property
    def is_over(self) -> bool:
        """Whether the job has an end, good or bad."""
        return self in (JobState.FINISHED, JobState.FAILED)


class SearchState(StrEnum):
    """Where a search stands. While it is stopped, its runs are paused."""

    RUNNING = "running"
    STOPPED = "stopped"
    FINISHED = "finished"
    FAILED = "failed"


class Event(StrEnum):
    """What moves a run from one state to the next. Of a running run, these are the ways in which its attempt ends."""

    CLAIM = "claim"  # a worker begins to train it
    FINISH = "finish"
    FAIL = "fail"
    STOP = "stop"
    PAUSE = "pause"
    RESUME = "resume"
    INTERRUPT = "interrupt"  # its worker was told to leave, and saved a checkpoint
    YIELD = "yield"  # its worker saved a checkpoint and made room for others
    REQUEUE = "requeue"  # the supervisor takes it up again


TRANSITIONS: Mapping[RunState, Mapping[Event, RunState]] = {
    RunState.QUEUED: {
        Event.CLAIM: RunState.RUNNING,
        Event.STOP: RunState.STOPPED,
        Event.PAUSE: RunState.PAUSED,
        Event.REQUEUE: RunState.QUEUED,  # its worker died before it could claim the run
        Event.FAIL: RunState.FAILED,  # and did so too often
    },
    RunState.RUNNING: {
        Event.FINISH: RunState.FINISHED,
        Event.FAIL: RunState.FAILED,
        Event.STOP: RunState.STOPPED,
        Event.PAUSE: RunState.PAUSED,
        Event.RESUME: RunState.QUEUED,  # the pause was taken back when the worker had begun to leave
        Event.INTERRUPT: RunState.INTERRUPTED,
        Event.YIELD: RunState.QUEUED,
        Event.REQUEUE: RunState.QUEUED,
    },
    RunState.PAUSED: {
        Event.STOP: RunState.STOPPED,
        Event.PAUSE: RunState.PAUSED,
        Event.RESUME: RunState.QUEUED,
    },
    RunState.INTERRUPTED: {
        Event.STOP: RunState.STOPPED,
        Event.PAUSE: RunState.PAUSED,
        Event.RESUME: RunState.QUEUED,
        Event.REQUEUE: RunState.QUEUED,
    },
    RunState.FINISHED: {},
    RunState.STOPPED: {Event.RESUME: RunState.QUEUED},
    RunState.FAILED: {Event.RESUME: RunState.QUEUED},
}
"""Every transition that the store may make, and no other."""
