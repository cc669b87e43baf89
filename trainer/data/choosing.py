"""Suggestions for an upload: which column to predict, for which task, and which columns to leave out. A person can change all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.data.columns import Column, columns_of, words_of
from trainer.data.samples import Task
from trainer.data.targets import format_numbers, target_problem

TARGET_WORDS = (
    "target",
    "label",
    "class",
    "y",
    "outcome",
    "output",
    "response",
    "species",
    "price",
    "survived",
)
MAX_GUESSED_CLASSES = 20  # a column of whole numbers with more distinct values is a quantity
ROWS_PER_CLASS = 5
DEFAULT_SIDE = 32


def suggested_values(digest: str, manifest: Mapping[str, Any], target: str = "") -> dict[str, Any]:
    """Returns flat values of a configuration that trains on an upload. `target` is the column that the person named, if any."""
    if manifest["kind"] == "images":
        return {"data": "image_folder", "data.file": digest, "data.side": suggested_side(manifest)}
    columns = columns_of(manifest)
    name = target or suggested_target(columns)
    column = next((column for column in columns if column.name == name), None)
    return {
        "data": "csv",
        "data.file": digest,
        "data.target": name,
        "data.task": suggested_task(column) if column else "classification",
        "data.leave_out": format_numbers(suggested_exclusions(columns, name)),
    }


def suggested_target(columns: Sequence[Column]) -> str:
    """Returns the last column with a name typical of targets, else the last that can be predicted."""
    possible = [column for column in columns if can_be_target(column) and not column.identifier] or [
        column for column in columns if can_be_target(column)
    ]
    named = [column for column in possible if set(words_of(column.name)) & set(TARGET_WORDS)]
    return (named or possible or list(columns))[-1].name


def can_be_target(column: Column) -> bool:
    """Returns whether the column can be predicted at all."""
    return not (target_problem(column, "classification") and target_problem(column, "regression"))


def suggested_task(column: Column) -> Task:
    """Returns classification for categories and for a few whole numbers that repeat often, else regression."""
    if column.kind == "category":
        return "classification"
    few = column.distinct <= min(MAX_GUESSED_CLASSES, max(2, column.rows_known // ROWS_PER_CLASS))
    return "classification" if column.kind == "number" and column.whole and few else "regression"


def suggested_exclusions(columns: Sequence[Column], target: str) -> set[int]:
    """Returns the numbers of columns that look like identifiers: a network would memorize rows by them."""
    return {number for number, column in enumerate(columns, 1) if column.identifier and column.name != target}


def suggested_side(manifest: Mapping[str, Any]) -> int:
    """Returns the default size, or the images' own size where it is smaller, rounded up to a size that the knob allows."""
    return int(min(DEFAULT_SIDE, max(8, manifest["side"] + -manifest["side"] % 4)))
