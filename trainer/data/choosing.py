"""First guesses about an upload: which column to predict, as what, and which columns to leave out. All may be changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trainer.data.columns import Column, columns_of, words_of
from trainer.data.samples import Task
from trainer.data.targets import numbers_in_words, target_problem

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
MOST_GUESSED_CLASSES = 20  # whole numbers with more values are a quantity
ROWS_PER_CLASS = 5
USUAL_SIDE = 32


def suggested_values(digest: str, manifest: Mapping[str, Any], target: str = "") -> dict[str, Any]:
    """Flat values of a configuration that trains on an upload; `target` where the person named one."""
    if manifest["kind"] == "images":
        return {"data": "image_folder", "data.file": digest, "data.side": suggested_side(manifest)}
    columns = columns_of(manifest)
    name = target or suggested_target(columns)
    column = next((one for one in columns if one.name == name), None)
    return {
        "data": "csv",
        "data.file": digest,
        "data.target": name,
        "data.task": suggested_task(column) if column else "classification",
        "data.leave_out": numbers_in_words(suggested_exclusions(columns, name)),
    }


def suggested_target(columns: Sequence[Column]) -> str:
    """A column whose name says so, else the last one that can be predicted."""
    possible = [column for column in columns if can_be_target(column) and not column.identifier] or [
        column for column in columns if can_be_target(column)
    ]
    named = [column for column in possible if set(words_of(column.name)) & set(TARGET_WORDS)]
    return (named or possible or list(columns))[-1].name


def can_be_target(column: Column) -> bool:
    """Whether the column can be predicted at all."""
    return not (target_problem(column, "classification") and target_problem(column, "regression"))


def suggested_task(column: Column) -> Task:
    """Classes for texts and for a few whole numbers that come back often; else a quantity."""
    if column.kind == "category":
        return "classification"
    few = column.distinct <= min(MOST_GUESSED_CLASSES, max(2, column.rows_known // ROWS_PER_CLASS))
    return "classification" if column.kind == "number" and column.whole and few else "regression"


def suggested_exclusions(columns: Sequence[Column], target: str) -> set[int]:
    """Numbers of columns that look like an identifier: a network would learn rows by heart from them."""
    return {number for number, column in enumerate(columns, 1) if column.identifier and column.name != target}


def suggested_side(manifest: Mapping[str, Any]) -> int:
    """The usual size, or that of smaller images, to the next size there is."""
    return int(min(USUAL_SIDE, max(8, manifest["side"] + -manifest["side"] % 4)))
