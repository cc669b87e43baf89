"""Turns a table's columns into features: fills gaps and one-hot encodes categories, fitted on the training part alone."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trainer.data.columns import Column
from trainer.data.samples import DataError, Samples
from trainer.lazy import lazy

if TYPE_CHECKING:
    import sklearn.impute as impute
    import sklearn.preprocessing as preprocessing
else:
    impute = lazy("sklearn.impute")
    preprocessing = lazy("sklearn.preprocessing")

MIN_CATEGORY_ROWS = 5  # in training; rarer categories share one column
MAX_CATEGORIES = 50  # 0/1 columns for one column of categories
MAX_VALUES = 250_000_000  # rows × columns after encoding: one gigabyte
MAX_MEAN_TO_SPREAD = 1e4  # beyond, float32 would lose the digits that vary
MAX_NOTICES = 12

Values = NDArray[Any]  # float64 [rows, columns]


def describe_encoding(column: Column) -> str:
    """Returns a sentence on how training will encode a column."""
    if column.kind == "empty":
        return "Left out: it has no values."
    if column.kind == "text":
        return "Left out: free text or names, which a network cannot use directly."
    if not column.usable_as_input:
        return "Left out: it has the same value in every row."
    gaps = "; gaps are filled with the training median and marked in a 0/1 column" if column.missing else ""
    if column.kind == "date":
        return f"Days since 2000-01-01{gaps}."
    if column.kind == "number":
        return f"Used as a number{gaps}."
    gaps = "; missing values are a category of their own" if column.missing else ""
    rare = (
        f"; those with fewer than {MIN_CATEGORY_ROWS} training rows share one"
        if min(column.counts) < 2 * MIN_CATEGORY_ROWS
        else ""
    )
    return f"A 0/1 column for each of its {min(column.distinct, MAX_CATEGORIES)} categories{rare}{gaps}."


@dataclass(frozen=True)
class Encoding:
    """Encodes `samples` whose inputs are raw columns [n, columns]; it is the `prepare` of such samples."""

    samples: Samples
    columns: tuple[Column, ...]

    def __call__(self, train: NDArray[np.intp]) -> Samples:
        """Fits on the rows `train` and returns all rows encoded. Raises DataError when no feature is left, or too many are."""
        known = self.samples.inputs[train]
        numeric = [index for index, column in enumerate(self.columns) if column.kind != "category"]
        categories = [index for index, column in enumerate(self.columns) if column.kind == "category"]
        varied = [index for index in numeric + categories if _varies(known[:, index])]
        numeric, categories = (
            [index for index in group if index in varied] for group in (numeric, categories)
        )
        notices = [self._constant(index) for index in range(len(self.columns)) if index not in varied]
        parts: list[NDArray[np.float32]] = []
        for indices, encode in ((numeric, self._numbers), (categories, self._categories)):
            if indices:
                features, about = encode(indices, train)
                parts.append(features)
                notices += about
        if not parts:
            raise DataError(
                "No column is left to learn from: each is left out or the same in every training row. Choose another target "
                "or leave out fewer columns."
            )
        return replace(
            self.samples,
            inputs=np.concatenate(parts, axis=1),
            prepare=None,
            notices=(*self.samples.notices, *_capped(notices)),
        )

    def _constant(self, index: int) -> str:
        return f"{self._name(index)} is the same in every training row and is left out."

    def _name(self, index: int) -> str:
        return f"'{self.columns[index].name}'"

    def _numbers(self, indices: list[int], train: NDArray[np.intp]) -> tuple[NDArray[np.float32], list[str]]:
        """Returns numbers with their gaps filled, a 0/1 column for each column with gaps in training, and notices."""
        values: Values = self.samples.inputs[:, indices]
        imputer = impute.SimpleImputer(strategy="median", add_indicator=True).fit(values[train])
        filled: Values = imputer.transform(values)
        notices = []
        for number, index in enumerate(indices):
            if gaps := int(np.isnan(values[:, number]).sum()):
                notices.append(
                    f"{gaps:,} of {len(values):,} values of {self._name(index)} were missing and are filled with the "
                    f"training median {imputer.statistics_[number]:.6g}."
                )
            center, spread = filled[train, number].mean(), filled[train, number].std()
            if abs(center) > MAX_MEAN_TO_SPREAD * spread:
                filled[:, number] -= center
                notices.append(
                    f"{self._name(index)} is far from zero compared with its spread, so its training mean {center:.6g} is "
                    "subtracted to keep all digits."
                )
        return np.clip(filled, -1e30, 1e30).astype(np.float32), notices

    def _categories(
        self, indices: list[int], train: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], list[str]]:
        """Returns a 0/1 column for each category of the training part, and notices."""
        values: Values = self.samples.inputs[:, indices]
        encoder = preprocessing.OneHotEncoder(
            min_frequency=MIN_CATEGORY_ROWS,
            max_categories=MAX_CATEGORIES,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
            dtype=np.float32,
        ).fit(values[train])
        width = sum(len(names) for names in encoder.categories_)
        if len(values) * width > MAX_VALUES:
            raise DataError(
                f"With a column for each category the table would have {width:,} columns, too many for {len(values):,} rows. "
                "Leave out the columns with the most categories."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unknown categories are expected, and reported below
            features: NDArray[np.float32] = encoder.transform(values)
        return features, self._category_notices(
            indices, values, encoder.categories_, encoder.infrequent_categories_
        )

    def _category_notices(
        self,
        indices: list[int],
        values: Values,
        known: Sequence[Values],
        rare: Sequence[Values | None],
    ) -> list[str]:
        notices = []
        for number, index in enumerate(indices):
            parts, missing = [], int(np.isnan(values[:, number]).sum())
            few = rare[number]
            if few is not None and len(few):
                parts.append(
                    f"{len(few)} with fewer than {MIN_CATEGORY_ROWS} training rows share one 0/1 column"
                )
            if missing:
                parts.append(f"{missing:,} missing values are a category of their own")
            present = values[:, number][~np.isnan(values[:, number])]
            if unknown := int((~np.isin(present, known[number])).sum()):
                home = "the shared column" if few is not None and len(few) else "none"
                parts.append(
                    f"{unknown:,} outside the training part have a category that it lacks and count as {home}"
                )
            if parts:
                notices.append(
                    f"{self._name(index)}: of {len(known[number])} categories, {'; '.join(parts)}."
                )
        return notices


def _varies(values: Values) -> bool:
    """Returns whether a column has two different values, where missing counts as one."""
    known = values[~np.isnan(values)]
    if not len(known):
        return False
    return bool((known != known[0]).any()) or len(known) < len(values)


def _capped(notices: list[str]) -> list[str]:
    if len(notices) <= MAX_NOTICES:
        return notices
    return [
        *notices[:MAX_NOTICES],
        f"{len(notices) - MAX_NOTICES} more notices of this kind are not listed.",
    ]
