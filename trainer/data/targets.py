"""The target column of a table: whether it can be predicted, and from which columns."""

from __future__ import annotations

from collections.abc import Sequence

from trainer.data.columns import Column
from trainer.data.samples import DataError, Task
from trainer.data.tables import MIN_ROWS

MAX_CLASSES = 100
COLUMN_NUMBERS = r"(\d{1,4}(-\d{1,4})?(, ?\d{1,4}(-\d{1,4})?)*)?"
"""A list of column numbers such as "1, 4-6", or nothing."""


def check_target(columns: Sequence[Column], target: str, task: Task) -> int:
    """Returns the index of the target column. Raises DataError when the column cannot be predicted as this task."""
    if not target:
        raise DataError("No target is chosen yet. Choose the column to predict on the Your data page.")
    index = next((index for index, column in enumerate(columns) if column.name == target), None)
    if index is None:
        listed = ", ".join(column.name for column in columns[:8])
        raise DataError(
            f"The file has no column “{target}” to predict; it has {listed}{', …' * (len(columns) > 8)}."
        )
    column = columns[index]
    problem = target_problem(column, task)
    if problem:
        raise DataError(problem)
    if column.rows_known < MIN_ROWS:
        raise DataError(
            f"Only {column.rows_known} rows have a value in “{target}”; training needs at least {MIN_ROWS}."
        )
    return index


def target_problem(column: Column, task: Task) -> str:
    """Returns why a column cannot be predicted as this task, in one sentence; empty when it can."""
    name = column.name
    if column.kind == "empty":
        return f"“{name}” has no values to predict. Choose another target."
    if column.kind == "text":
        return f"“{name}” holds free text or names, which cannot be predicted. Choose another target."
    if column.distinct < 2:
        return (
            f"“{name}” has the same value in every row, so there is nothing to learn. Choose another target."
        )
    if task == "regression" and column.kind == "category":
        return f"“{name}” holds categories, not numbers. Set the task to classification, or choose another target."
    if task == "classification" and column.distinct > MAX_CLASSES:
        remedy = "Set the task to regression" if column.kind != "category" else "Choose another target"
        return f"“{name}” has {column.distinct:,} different values; at most {MAX_CLASSES} classes are supported. {remedy}."
    return ""


def used_columns(columns: Sequence[Column], target: int, leave_out: str) -> list[int]:
    """Returns the indices of the columns to learn from: those that are usable and not left out."""
    left_out = parse_numbers(leave_out)
    return [
        index
        for index, column in enumerate(columns)
        if index != target and column.usable_as_input and index + 1 not in left_out
    ]


def parse_numbers(text: str) -> set[int]:
    """Returns the numbers that a list such as "1, 4-6" names."""
    found: set[int] = set()
    for part in filter(None, (part.strip() for part in text.split(","))):
        first, _, last = part.partition("-")
        found.update(range(int(first), int(last or first) + 1))
    return found


def format_numbers(numbers: set[int]) -> str:
    """Returns the shortest list that names these numbers, such as "1, 4-6"."""
    ranges: list[list[int]] = []
    for number in sorted(numbers):
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1][1:] = [number]
        else:
            ranges.append([number])
    return ", ".join("-".join(map(str, ends)) for ends in ranges)
