"""How many runs each visitor may have under way."""

from __future__ import annotations

from dataclasses import dataclass


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
