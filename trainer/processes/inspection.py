"""The kinds of inspection: what can be asked about a configuration or a technique before a run.

The web process never imports torch. Where a page needs what only torch can compute, it calls `store.ask(kind, question)`;
the supervisor forks a process, which calls the function here, and the page reads the answer from the store a moment later.
The command line calls the same functions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from trainer import examples
from trainer.preflight.dry_run import dry_run
from trainer.preflight.duration import duration
from trainer.settings import Settings

Inspector = Callable[[Mapping[str, Any], Settings], Any]

KINDS: dict[str, Inspector] = {"before": dry_run, "duration": duration, "example": examples.answer}
"""Kind → function: it takes the question and the settings, returns plain values for JSON, and raises an engine's error (a
sentence) where there is no answer. It writes nothing, and takes far less than `inspector.MAX_SECONDS`."""


class InspectionError(Exception):
    """A question that cannot be answered; the text is a sentence for a person."""


def answer(kind: str, question: Mapping[str, Any], settings: Settings) -> Any:
    """Returns the answer to a question, computed in this process. Raises InspectionError and the engine's errors."""
    if kind not in KINDS:
        raise InspectionError(
            f"There is no inspection called {kind!r}; choose one of {', '.join(sorted(KINDS))}."
        )
    return KINDS[kind](question, settings)
