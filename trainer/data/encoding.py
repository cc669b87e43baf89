"""From a table's columns to numbers: fill what is missing, spread categories. All of it learned from the training part alone."""

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

RARE = 5  # training rows; categories with fewer share one column
MOST_CATEGORIES = 50  # columns for one column's categories
MOST_VALUES = 250_000_000  # rows × columns after encoding: one gigabyte
FAR = 1e4  # deviations from zero: float32 would lose what tells such numbers apart
MOST_SENTENCES = 12

Values = NDArray[Any]  # float64 [rows, columns]


def plan_of(column: Column) -> str:
    """What will be done to a column, in words, before anything is trained."""
    if column.kind == "empty":
        return "Left out: it has no value."
    if column.kind == "text":
        return "Left out: free text or names, which tell a network nothing by themselves."
    if not column.usable_as_input:
        return "Left out: it has the same value everywhere."
    gaps = "; gaps filled with the training median, and a 0/1 column says where" if column.missing else ""
    if column.kind == "date":
        return f"Days since 2000-01-01{gaps}."
    if column.kind == "number":
        return f"Used as a number{gaps}."
    gaps = "; missing is a category of its own" if column.missing else ""
    rare = f"; those with fewer than {RARE} training rows share one" if min(column.counts) < 2 * RARE else ""
    return f"A 0/1 column for each of its {min(column.distinct, MOST_CATEGORIES)} categories{rare}{gaps}."


@dataclass(frozen=True)
class Encoding:
    """Turns `samples` whose inputs are raw columns [n, columns] into features; `prepare` of such samples."""

    samples: Samples
    columns: tuple[Column, ...]

    def __call__(self, train: NDArray[np.intp]) -> Samples:
        """Learns from the rows `train` and encodes all. Raises DataError when nothing is left, or too much."""
        known = self.samples.inputs[train]
        numeric = [place for place, column in enumerate(self.columns) if column.kind != "category"]
        categories = [place for place, column in enumerate(self.columns) if column.kind == "category"]
        varied = [place for place in numeric + categories if _varies(known[:, place])]
        numeric, categories = (
            [place for place in group if place in varied] for group in (numeric, categories)
        )
        said = [self._constant(place) for place in range(len(self.columns)) if place not in varied]
        parts: list[NDArray[np.float32]] = []
        for places, encode in ((numeric, self._numbers), (categories, self._categories)):
            if places:
                features, sentences = encode(places, train)
                parts.append(features)
                said += sentences
        if not parts:
            raise DataError(
                "No column is left to learn from: each is left out or the same in every training row. Choose another target "
                "or leave out fewer columns."
            )
        return replace(
            self.samples,
            inputs=np.concatenate(parts, axis=1),
            prepare=None,
            notices=(*self.samples.notices, *_fewer(said)),
        )

    def _constant(self, place: int) -> str:
        return f"{self._name(place)} is the same in every training row and is left out."

    def _name(self, place: int) -> str:
        return f"'{self.columns[place].name}'"

    def _numbers(self, places: list[int], train: NDArray[np.intp]) -> tuple[NDArray[np.float32], list[str]]:
        """Numbers with their gaps filled, and for each column with gaps in training a 0/1 column that says where."""
        values: Values = self.samples.inputs[:, places]
        imputer = impute.SimpleImputer(strategy="median", add_indicator=True).fit(values[train])
        filled: Values = imputer.transform(values)
        said = []
        for number, place in enumerate(places):
            if gaps := int(np.isnan(values[:, number]).sum()):
                said.append(
                    f"{gaps:,} of {len(values):,} values of {self._name(place)} were missing and are filled with the "
                    f"training median {imputer.statistics_[number]:.6g}."
                )
            center, spread = filled[train, number].mean(), filled[train, number].std()
            if abs(center) > FAR * spread:
                filled[:, number] -= center
                said.append(
                    f"{self._name(place)} lies far from zero for how little it varies: {center:.6g}, its training mean, is "
                    "subtracted, so that no digits are lost."
                )
        return np.clip(filled, -1e30, 1e30).astype(np.float32), said

    def _categories(
        self, places: list[int], train: NDArray[np.intp]
    ) -> tuple[NDArray[np.float32], list[str]]:
        """A 0/1 column for each category that the training part knows."""
        values: Values = self.samples.inputs[:, places]
        encoder = preprocessing.OneHotEncoder(
            min_frequency=RARE,
            max_categories=MOST_CATEGORIES,
            handle_unknown="infrequent_if_exist",
            sparse_output=False,
            dtype=np.float32,
        ).fit(values[train])
        width = sum(len(names) for names in encoder.categories_)
        if len(values) * width > MOST_VALUES:
            raise DataError(
                f"With a column for each category the table would have {width:,} columns, too many for {len(values):,} rows. "
                "Leave out the columns with the most categories."
            )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # unknown categories are expected, and said below
            features: NDArray[np.float32] = encoder.transform(values)
        return features, self._about_categories(
            places, values, train, encoder.categories_, encoder.infrequent_categories_
        )

    def _about_categories(
        self,
        places: list[int],
        values: Values,
        train: NDArray[np.intp],
        known: Sequence[Values],
        rare: Sequence[Values | None],
    ) -> list[str]:
        said = []
        for number, place in enumerate(places):
            parts, missing = [], int(np.isnan(values[:, number]).sum())
            few = rare[number]
            if few is not None and len(few):
                parts.append(f"{len(few)} with fewer than {RARE} training rows share one 0/1 column")
            if missing:
                parts.append(f"{missing:,} missing values are a category of their own")
            present = values[:, number][~np.isnan(values[:, number])]
            if unknown := int((~np.isin(present, known[number])).sum()):
                home = "the shared column" if few is not None and len(few) else "none"
                parts.append(
                    f"{unknown:,} outside the training part have a category it does not know, and count as {home}"
                )
            if parts:
                said.append(f"{self._name(place)}: of {len(known[number])} categories, {'; '.join(parts)}.")
        return said


def _varies(values: Values) -> bool:
    """Whether a column has two different values; missing is one of them."""
    known = values[~np.isnan(values)]
    if not len(known):
        return False
    return bool((known != known[0]).any()) or len(known) < len(values)


def _fewer(sentences: list[str]) -> list[str]:
    if len(sentences) <= MOST_SENTENCES:
        return sentences
    return [
        *sentences[:MOST_SENTENCES],
        f"The like was done to {len(sentences) - MOST_SENTENCES} more columns.",
    ]
