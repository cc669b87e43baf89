"""How a run did: its figures, each with the weights that it was measured on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainer.formatting import format_number

FINAL = "final weights"


@dataclass(frozen=True)
class Figure:
    """One measured value, ready to be read, and which weights it says something about."""

    name: str
    value: str
    weights: str

    @property
    def title(self) -> str:
        """Returns the name with its weights: "Test accuracy · best epoch 12"."""
        return f"{self.name} · {self.weights}"


def weights_at_end(results: Mapping[str, Any]) -> str:
    """Returns which weights a run ended with, and was tested with: "final weights", or "best epoch 12" once early stopping
    has restored those."""
    return _best_epoch(results) if results.get("restored_best") else FINAL


def figures(results: Mapping[str, Any], task: str) -> list[Figure]:
    """Returns a run's figures: validation and test of the weights that it ended with, then those of its best epoch."""
    end, best = weights_at_end(results), part_of(results, "best")
    name = "accuracy" if task == "classification" else "error"
    found = [
        Figure(f"{part.capitalize()} {name}", _metric(value, task, results), end)
        for part in ("validation", "test")
        if (value := part_of(results, part).get("metric")) is not None
    ]
    if "val_loss" in best:
        found.append(Figure("Validation loss", format_number(best["val_loss"]), _best_epoch(results)))
        if end == FINAL:
            metric = _metric(best.get("val_metric"), task, results)
            found.append(Figure(f"Validation {name}", metric, _best_epoch(results)))
    return found


def _best_epoch(results: Mapping[str, Any]) -> str:
    epoch = part_of(results, "best").get("epoch")
    return f"best epoch {epoch:.0f}" if isinstance(epoch, int | float) else "best epoch"


def part_of(results: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Returns a group of figures; of an imported run, anything may stand in its place."""
    part = results.get(name)
    return part if isinstance(part, Mapping) else {}


def _metric(value: Any, task: str, results: Mapping[str, Any]) -> str:
    """Returns an accuracy in percent, or an error in its unit."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:.1%}" if task == "classification" else f"{value:.3g} {results.get('unit') or ''}".strip()
