"""One column of a table: numbers, dates, categories or free text; what is missing in it, and what becomes of it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from trainer.lazy import lazy

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = lazy("pandas")

Kind = Literal["number", "date", "category", "text", "empty"]

MISSING = frozenset(
    {"", "na", "n/a", "nan", "null", "none", "nil", "#n/a", "#na", "-", "--", "?", ".", "<na>", "nat"}
)
NEARLY_ALL = 0.95  # of the values are numbers or dates: the rest counts as missing, and that is said
LARGEST = 1e30  # beyond, float32 arithmetic overflows
MOST_LEVELS = 1_000  # distinct texts; more are free text or names, which a table model cannot use
LONGEST_LEVEL = 200
SHOWN_LEVELS = 30
BINS = 24
EPOCH = "2000-01-01"
THOUSANDS_COMMAS, DECIMAL_COMMA = "commas divide thousands", "decimal comma"  # notes on columns

POINT = r"[+-]?(inf(inity)?|\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
COMMA = r"[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)?"
THOUSANDS = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"
DATES = (  # pattern, format, name
    (r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?", "%Y-%m-%d", "year-month-day"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d", "year/month/day"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y", "day.month.year"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y", "month/day/year"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y", "day/month/year"),
)


@dataclass(frozen=True)
class Column:
    """A column as it was read. `values` [rows] float64: numbers, days since 2000-01-01, or places in `levels`; NaN is missing.

    `counts` are the rows of each level, or of each of `BINS` bins between `low` and `high`; `note` says what was decided.
    """

    name: str
    kind: Kind
    missing: int
    rows_known: int
    distinct: int
    note: str = ""
    levels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    identifier: bool = False
    values: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0), compare=False, repr=False)

    @property
    def usable_as_input(self) -> bool:
        """Whether a network can learn from it: where something is missing, one value is enough to tell rows apart."""
        return self.kind in ("number", "date", "category") and (self.distinct > 1 or self.missing > 0)

    def facts(self) -> dict[str, Any]:
        """Everything but the values, for the manifest."""
        return {key: value for key, value in asdict(self).items() if key != "values"}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Column:
        """A column without its values, from the manifest."""
        return cls(**{**facts, "levels": tuple(facts["levels"]), "counts": tuple(facts["counts"])})


def read_column(name: str, cells: Sequence[str]) -> Column:
    """Decides what a column holds. The cells are stripped text."""
    codes, found = pd.factorize(np.array(cells, dtype=object))
    texts = [str(text) for text in found]
    present = np.array([text.lower() not in MISSING for text in texts], dtype=bool)
    rows = np.bincount(codes, minlength=len(texts))
    total = int(rows[present].sum())
    if not total:
        return Column(name, "empty", len(cells), 0, 0, values=np.full(len(cells), np.nan))
    for read in (_numbers, _days):
        numbers, note = read(texts, present)
        understood = int(rows[~np.isnan(numbers)].sum())
        if understood >= NEARLY_ALL * total:
            return _measured(name, read is _days, numbers, note, codes, texts, present)
    return _categories(name, codes, texts, present, rows)


def _numbers(texts: list[str], present: NDArray[np.bool_]) -> tuple[NDArray[np.float64], str]:
    """Each text as a number, NaN where it is none; a note where commas had to be understood."""
    plain, comma, thousands = (
        re.compile(sign, re.IGNORECASE | re.ASCII) for sign in (POINT, COMMA, THOUSANDS)
    )
    wanted = [text for text, use in zip(texts, present, strict=True) if use]
    with_comma = [text for text in wanted if "," in text]
    note, swap = "", _as_is
    if not with_comma:
        pass
    elif all(thousands.fullmatch(text) for text in with_comma) and not any(
        text.startswith("0,") for text in with_comma
    ):
        swap, note, plain = (
            _without_commas,
            THOUSANDS_COMMAS,
            re.compile(rf"{POINT}|{THOUSANDS}", re.IGNORECASE | re.ASCII),
        )
    else:
        swap, note, plain = _with_point, DECIMAL_COMMA, comma
    values = [
        float(swap(text)) if use and plain.fullmatch(text) else np.nan
        for text, use in zip(texts, present, strict=True)
    ]
    return np.array(values, dtype=np.float64), note


def _as_is(text: str) -> str:
    return text


def _without_commas(text: str) -> str:
    return text.replace(",", "")


def _with_point(text: str) -> str:
    return text.replace(".", "").replace(",", ".") or "nan"


def _days(texts: list[str], present: NDArray[np.bool_]) -> tuple[NDArray[np.float64], str]:
    """Each text as days since 2000-01-01, NaN where it is no date."""
    best, note, most = np.full(len(texts), np.nan), "", 0
    for pattern, form, words in DATES:
        fits = re.compile(pattern, re.ASCII)
        dates = [
            text if use and fits.fullmatch(text) else None for text, use in zip(texts, present, strict=True)
        ]
        if all(date is None for date in dates):
            continue
        kind: dict[str, Any] = {"format": "ISO8601", "utc": True} if form == "%Y-%m-%d" else {"format": form}
        read = pd.to_datetime(pd.Series(dates, dtype="object"), errors="coerce", **kind)
        origin = pd.Timestamp(EPOCH, tz="UTC" if read.dt.tz is not None else None)
        days = ((read - origin) / pd.Timedelta(days=1)).to_numpy(dtype=np.float64)
        if (count := int(np.isfinite(days).sum())) > most:
            best, note, most = days, f"read as {words}", count
    return best, note


def _measured(
    name: str,
    date: bool,
    numbers: NDArray[np.float64],
    note: str,
    codes: NDArray[np.intp],
    texts: list[str],
    present: NDArray[np.bool_],
) -> Column:
    """A column of numbers or dates."""
    notes = [note] if note else []
    numbers = np.where(np.abs(numbers) > LARGEST, np.inf, numbers)
    if endless := int(np.isin(codes, np.flatnonzero(np.isinf(numbers))).sum()):
        notes.append(f"{endless:,} infinite or larger than {LARGEST:g}, taken as missing")
    strange = np.flatnonzero(np.isnan(numbers) & present)
    if len(strange):
        count = int(np.isin(codes, strange).sum())
        notes.append(
            f"{count:,} not a {'date' if date else 'number'}, such as “{texts[strange[0]][:40]}”, taken as missing"
        )
    numbers = np.where(np.isinf(numbers), np.nan, numbers)
    values = numbers[codes]
    known = values[np.isfinite(values)]
    distinct = len(np.unique(known))
    whole = bool((known == np.round(known)).all()) and not date
    levels, counts = _numeric_levels(known, distinct) if not date else ((), ())
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 0.0)
    if not levels and len(known):
        counts = tuple(int(n) for n in np.histogram(known, BINS, (low, high))[0])
    kind: Kind = "date" if date else "number"
    identifier = (
        whole and distinct == len(known) > 20 and bool((np.diff(known) > 0).all() or "id" in words_of(name))
    )
    return Column(
        name, kind if len(known) else "empty", len(values) - len(known), len(known), distinct, "; ".join(notes),
        levels, counts, low, high, whole, identifier, values,
    )  # fmt: skip


def _numeric_levels(known: NDArray[np.float64], distinct: int) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Distinct numbers as class names, smallest first, where they are few enough to be classes."""
    if distinct > SHOWN_LEVELS:
        return (), ()
    values, counts = np.unique(known, return_counts=True)
    return tuple(f"{value:.12g}" for value in values), tuple(int(count) for count in counts)


def words_of(name: str) -> list[str]:
    """The words of a name such as "user_id" or "userId", in lower case."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _categories(
    name: str, codes: NDArray[np.intp], texts: list[str], present: NDArray[np.bool_], rows: NDArray[np.intp]
) -> Column:
    """A column of texts: categories where they come back, free text or names where they do not."""
    total, distinct = int(rows[present].sum()), int(present.sum())
    missing = len(codes) - total
    too_long = any(len(text) > LONGEST_LEVEL for text, use in zip(texts, present, strict=True) if use)
    unique = distinct > 20 and distinct > 0.5 * total
    if distinct > MOST_LEVELS or too_long or unique:
        note = "nearly every value is different" if unique else "too long or too varied to be categories"
        blank = np.where(present, 0.0, np.nan)[codes]
        return Column(name, "text", missing, total, distinct, note, identifier=unique, values=blank)
    order = sorted(np.flatnonzero(present), key=lambda place: texts[place])
    place_of = np.full(len(texts), np.nan)
    place_of[order] = np.arange(len(order))
    return Column(
        name,
        "category",
        missing,
        total,
        distinct,
        levels=tuple(texts[place] for place in order),
        counts=tuple(int(rows[place]) for place in order),
        values=place_of[codes],
    )


def columns_of(manifest: Mapping[str, Any]) -> list[Column]:
    """A table's columns, without their values."""
    return [Column.from_facts(facts) for facts in manifest["columns"]]
