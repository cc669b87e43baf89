"""What is requested of a run under way, from where it arrives (the database, a signal) to the loop."""

from __future__ import annotations

from collections import deque

from trainer.lifecycle.requests import Request, RequestKind


class Control:
    """The requests to a run in this process. The loop calls it at every step, so a call only reads attributes."""

    __slots__ = ("_adjustments", "leave", "starts_over", "yields")

    def __init__(self) -> None:
        self.leave: Request | None = None
        self.starts_over = False
        """Whether the run saves nothing to go on from, so that it must not make room."""
        self.yields = False
        """Whether an interruption makes room for another run: this one goes back to the queue by itself."""
        self._adjustments: deque[Request] = deque()

    def __call__(self) -> Request | None:
        """Returns the request that the loop has to answer, or None. One that leaves comes before all others."""
        return self.leave or (self._adjustments[0] if self._adjustments else None)

    def request(self, request: Request) -> None:
        """Adds a request; safe from any thread and from a signal handler. Of those that leave, the first one counts."""
        if not request.leaves:
            self._adjustments.append(request)
        elif self.leave is None:
            self.leave = request

    def handled(self) -> None:
        """Removes the request that the loop has answered."""
        self._adjustments.popleft()

    @property
    def is_interrupted(self) -> bool:
        """Whether the process has to leave soon, whatever it cannot finish."""
        return self.leave is not None and self.leave.kind is RequestKind.INTERRUPT
