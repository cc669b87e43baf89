"""Who may change a run or a comparison, and how many runs each may have under way: the one place that decides it. Every
change that a person asks for names who asks (`by`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

COMMAND_LINE = "command line"
"""Owner of the runs that are started in a terminal, and the name under which a terminal asks for changes. Pages show these
runs to every visitor; no visitor's id has a space."""


class Owned(Protocol):
    """What belongs to somebody."""

    @property
    def owner(self) -> str: ...


def refusal(thing: Owned, by: str, kind: str = "run") -> str | None:
    """Returns why `by` may not change a run or another `kind` of thing, as a sentence; None where they may: the owner, and
    the command line, whose user could change the database itself."""
    if by in (thing.owner, COMMAND_LINE):
        return None
    if thing.owner == COMMAND_LINE:
        return (
            f"This {kind} was started from the command line: everybody can see it here, and only the command line can "
            "change it."
        )
    return f"This {kind} belongs to another visitor, so only they can change it."


def may_read(thing: Owned, by: str) -> bool:
    """Whether `by` may see a run: their own, or one of the command line, which itself sees all."""
    return COMMAND_LINE in (thing.owner, by) or thing.owner == by


@dataclass(frozen=True)
class Limits:
    """How many runs may be under way, that is queued or in training: of one visitor, and of all together. The command line
    trains in a process of its own and has no limit."""

    of_one: int
    together: int

    def problem(self, own: int, everybodys: int, more: int) -> str | None:
        """Returns why `more` runs cannot be added to those under way, as a sentence; None where they can."""
        if own + more > self.of_one:
            return (
                f"{_runs(own)} of yours {_are(own)} queued or in training, and at most {self.of_one:,} may be at a time"
                f"{f', so {more} more do not fit' if more > 1 else ''}. Wait until some have ended, or stop some."
            )
        if everybodys + more > self.together:
            return (
                f"{_runs(everybodys)} of all visitors {_are(everybodys)} queued or in training, and at most "
                f"{self.together:,} may be at a time. Try again when some have ended."
            )
        return None


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
