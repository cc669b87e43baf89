"""What is on the chart, as parameters of the address: a reload keeps it, and a shared link has it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import BaseModel, Field, ValidationError

PREFIX: Final = "chart."
RUNS, HIDDEN, NONE = f"{PREFIX}runs", f"{PREFIX}hidden", "none"


class ChartOptions(BaseModel, frozen=True):
    """How all charts are drawn."""

    x: Literal["step", "epoch", "time"] = "step"
    log: bool = False
    smooth: float = Field(0.6, ge=0, le=0.99)
    full: bool = False
    """Whether the y axis reaches up to runs that have diverged."""


def chart_parameters(parameters: Mapping[str, str]) -> dict[str, str]:
    """Returns those parameters of an address that are about the chart."""
    return {name: value for name, value in parameters.items() if name.startswith(PREFIX)}


def to_parameters(runs: Mapping[int, bool] | None, options: ChartOptions) -> dict[str, str]:
    """Returns the parameters for the runs on the chart, by id and whether they are visible (None: nobody has chosen any), and
    for those options that are not at their default."""
    found = {}
    if runs is not None:
        found[RUNS] = "-".join(map(str, runs)) or NONE
        if hidden := [str(run) for run, visible in runs.items() if not visible]:
            found[HIDDEN] = "-".join(hidden)
    changed = options.model_dump(mode="json", exclude_defaults=True)
    return found | {f"{PREFIX}{name}": _to_text(value) for name, value in changed.items()}


def runs_in(parameters: Mapping[str, str]) -> dict[int, bool] | None:
    """Returns the runs in an address and whether each is visible; None where it does not say. Other words are left out."""
    if RUNS not in parameters:
        return None
    hidden = _ids(parameters.get(HIDDEN, ""))
    return {run: run not in hidden for run in _ids(parameters[RUNS])}


def options_in(parameters: Mapping[str, str]) -> ChartOptions:
    """Returns the options in an address; what it does not say, or says wrongly, is at its default."""
    given: dict[str, Any] = {name.removeprefix(PREFIX): value for name, value in parameters.items()}
    try:
        return ChartOptions.model_validate(given)
    except ValidationError as error:
        wrong = {problem["loc"][0] for problem in error.errors()}
        return ChartOptions.model_validate({name: given[name] for name in given if name not in wrong})


def _ids(text: str) -> list[int]:
    return [int(word) for word in text.split("-") if word.isascii() and word.isdigit() and len(word) < 16]


def _to_text(value: Any) -> str:
    return str(value).lower()
