"""Parses and checks what a live client sends, before anything is done with it.

Whatever a client sends is answered with an error (`RefusedError`) or a close code (`ClosingError`).
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import orjson

from pages.live.store_reads import Cursors
from pages.live.viewer import HealthSubscription
from trainer.curves.deltas import drawn
from trainer.health.messages import Seen
from trainer.metrics.registry import KINDS

MAX_CHARACTERS: Final = 16 * 1024  # of one message
MAX_RUNS: Final = 100  # in one message
MAX_HEALTH_RUNS: Final = 4  # the charts show two, and the Health page one
MAX_STEP: Final = 2**31 - 1
MAX_VERSION: Final = 2**53  # the largest integer that every browser keeps exactly

BAD_MESSAGE: Final = 4400
NOT_ALLOWED: Final = 4401
WRONG_ORIGIN: Final = 4403
SILENT: Final = 4408
TOO_MANY: Final = 4429
TOO_BIG: Final = 1009
INTERNAL_ERROR: Final = 1011


class RefusedError(Exception):
    """A message that cannot be granted; the client gets an `error` with this code, and the connection stays open."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class ClosingError(Exception):
    """The connection must end, with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def parse(text: Any) -> dict[str, Any]:
    """Returns a client's message. Raises `ClosingError` for one that no page of ours sends."""
    if not isinstance(text, str):
        raise ClosingError(BAD_MESSAGE, "messages are JSON texts")
    if len(text) > MAX_CHARACTERS:
        raise ClosingError(TOO_BIG, f"messages have at most {MAX_CHARACTERS} characters")
    try:
        message = orjson.loads(text)
    except (orjson.JSONDecodeError, UnicodeEncodeError):
        message = None
    if not isinstance(message, dict):
        raise ClosingError(BAD_MESSAGE, "messages are JSON objects")
    return message


def integer(value: Any, low: int, high: int) -> int:
    """Returns an integer from `low` to `high`. Raises `RefusedError`."""
    if type(value) is not int or not low <= value <= high:
        raise RefusedError("bad_number", f"expected an integer from {low} to {high}")
    return value


def run_ids(value: Any, granted: frozenset[int]) -> list[int]:
    """Returns granted run ids, without repeats. Raises `RefusedError`, the same for another visitor's run as for none."""
    if not isinstance(value, list) or len(value) > MAX_RUNS:
        raise RefusedError("bad_runs", f"runs must be a list of at most {MAX_RUNS} integers")
    for run in value:
        if type(run) is not int or run not in granted:
            raise RefusedError("unknown_run", f"there is no run {str(run)[:40]!r} for you")
    return list(dict.fromkeys(value))


def cursors(value: Any) -> Cursors:
    """Returns the last step that the client has of each kind of row (default: -1). Raises `RefusedError`."""
    if not isinstance(value, dict):
        raise RefusedError("bad_cursors", "cursors must be an object of kind and step")
    return {kind: integer(value.get(kind, -1), -1, MAX_STEP) for kind in KINDS}


def cursors_by_run(value: Any, runs: list[int]) -> dict[int, Cursors]:
    """Returns the cursors of those `runs` that the object names. Raises `RefusedError`."""
    if not isinstance(value, dict):
        raise RefusedError("bad_cursors", "cursors must be an object of run and cursors")
    return {run: cursors(value[str(run)]) for run in runs if str(run) in value}


def series_names(value: Any) -> list[str]:
    """Returns names of series. Raises `RefusedError`."""
    known = {name for kind in KINDS for name in drawn(kind)}
    if not isinstance(value, list) or not all(isinstance(name, str) and name in known for name in value):
        raise RefusedError("bad_series", f"series must be a list of {', '.join(sorted(known))}")
    return value


def health_seen(value: Any) -> Seen:
    """Returns what a page has of a run's health (default: -1). Raises `RefusedError`."""
    names = [field.name for field in fields(Seen)]
    if not isinstance(value, dict):
        raise RefusedError("bad_cursors", f"seen must be an object of {', '.join(names)}")
    return Seen(**{name: integer(value.get(name, -1), -1, MAX_VERSION) for name in names})


def health_wanted(value: Any) -> list[HealthSubscription]:
    """Returns the runs whose health a page asks for. Raises `RefusedError`."""
    if not isinstance(value, list) or len(value) > MAX_HEALTH_RUNS:
        raise RefusedError("bad_runs", f"runs must be a list of at most {MAX_HEALTH_RUNS} objects")
    if not all(isinstance(one, dict) for one in value):
        raise RefusedError("bad_runs", "each of runs must be an object of run, seen and views")
    return [
        HealthSubscription(one.get("run"), health_seen(one.get("seen", {})), view_names(one.get("views")))
        for one in value
    ]


def view_names(value: Any) -> frozenset[str] | None:
    """Returns names of views; None where everything is asked for. Raises `RefusedError`."""
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
        raise RefusedError("bad_views", "views must be a list of names")
    return frozenset(value)


def step_range(first: Any, last: Any) -> tuple[int, int]:
    """Returns a range of steps. Raises `RefusedError`."""
    span = (integer(first, -1, MAX_STEP), integer(last, -1, MAX_STEP))
    if span[1] < span[0]:
        raise RefusedError("bad_range", "x1 must not be less than x0")
    return span
