"""Which column a table's owner wants to predict, whether that is possible, and which columns it is predicted from."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.data.columns import Column
from trainer.data.samples import DataError, Task
from trainer.data.tables import FEWEST_ROWS

MOST_CLASSES = 100
NUMBERS = r"(\d{1,4}(-\d{1,4})?(, ?\d{1,4}(-\d{1,4})?)*)?"
"""Column numbers as a person lists them, such as "1, 4-6", or nothing."""


def check_target(columns: Sequence[Column], target: str, task: Task) -> int:
    """The place of the target column. Raises DataError when it cannot be predicted that way."""
    if not target:
        raise DataError("No target is chosen yet. Choose the column to predict on the page Your data.")
    place = next((number for number, column in enumerate(columns) if column.name == target), None)
    if place is None:
        listed = ", ".join(column.name for column in columns[:8])
        raise DataError(
            f"The file has no column “{target}” to predict; it has {listed}{', …' * (len(columns) > 8)}."
        )
    column = columns[place]
    problem = target_problem(column, task)
    if problem:
        raise DataError(problem)
    if column.rows_known < FEWEST_ROWS:
        raise DataError(
            f"Only {column.rows_known} rows have a value in “{target}”; training needs at least {FEWEST_ROWS}."
        )
    return place


def target_problem(column: Column, task: Task) -> str:
    """Why a column cannot be predicted that way, in one sentence; empty when it can."""
    name = column.name
    if column.kind == "empty":
        return f"“{name}” has no value to predict. Choose another target."
    if column.kind == "text":
        return f"“{name}” holds free text or names, which cannot be predicted. Choose another target."
    if column.distinct < 2:
        return (
            f"“{name}” has the same value in every row, so there is nothing to learn. Choose another target."
        )
    if task == "regression" and column.kind == "category":
        return f"“{name}” holds categories, not numbers. Set the task to classification, or choose another target."
    if task == "classification" and column.distinct > MOST_CLASSES:
        remedy = "Set the task to regression" if column.kind != "category" else "Choose another target"
        return f"“{name}” has {column.distinct:,} different values; at most {MOST_CLASSES} classes are possible. {remedy}."
    return ""


def used_columns(columns: Sequence[Column], target: int, leave_out: str) -> list[int]:
    """Places of the columns to learn from: those that can be used and are not left out."""
    left_out = numbers_of(leave_out)
    return [
        place
        for place, column in enumerate(columns)
        if place != target and column.usable_as_input and place + 1 not in left_out
    ]


def numbers_of(text: str) -> set[int]:
    """The numbers that "1, 4-6" names."""
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def numbers_in_words(numbers: set[int]) -> str:
    """The shortest text that names these numbers, such as "1, 4-6"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1][1:] = [number]
        else:
            runs.append([number])
    return ", ".join("-".join(map(str, run)) for run in runs)
