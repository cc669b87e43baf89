"""One column of a table: whether it holds numbers, dates, categories or free text, and what is missing from it."""

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
MIN_TYPED_SHARE = 0.95  # of the values must be numbers (or dates); the rest counts as missing, with a note
MAX_MAGNITUDE = 1e30  # beyond, float32 arithmetic overflows
MAX_LEVELS = 1_000  # distinct texts; a column with more holds free text or names
MAX_LEVEL_LENGTH = 200
MAX_NUMERIC_LEVELS = 30
BINS = 24
EPOCH = "2000-01-01"
THOUSANDS_NOTE, COMMA_NOTE = "commas separate thousands", "decimal comma"

DECIMAL_POINT = r"[+-]?(inf(inity)?|\d+\.?\d*|\.\d+)(e[+-]?\d+)?"
DECIMAL_COMMA = r"[+-]?(\d{1,3}(\.\d{3})+|\d*)(,\d+)?"
THOUSANDS = r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?"
DATE_FORMATS = (  # pattern, format, name
    (r"\d{4}-\d{1,2}-\d{1,2}([T ]\d{1,2}:\d{2}.*)?", "%Y-%m-%d", "year-month-day"),
    (r"\d{4}/\d{1,2}/\d{1,2}", "%Y/%m/%d", "year/month/day"),
    (r"\d{1,2}\.\d{1,2}\.\d{4}", "%d.%m.%Y", "day.month.year"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%m/%d/%Y", "month/day/year"),
    (r"\d{1,2}/\d{1,2}/\d{4}", "%d/%m/%Y", "day/month/year"),
)


@dataclass(frozen=True)
class Column:
    """A column as it was read. `values` [rows] float64: numbers, days since 2000-01-01, or indices into `levels`; NaN is missing.

    `counts` holds the rows of each level, or of each of `BINS` bins between `low` and `high`. `note` says how it was read.
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
        """Whether a network can learn from it. Missing values vary too, so with some missing one distinct value is enough."""
        return self.kind in ("number", "date", "category") and (self.distinct > 1 or self.missing > 0)

    def facts(self) -> dict[str, Any]:
        """Returns everything but the values, for the manifest."""
        return {key: value for key, value in asdict(self).items() if key != "values"}

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Column:
        """Returns a column of the manifest, without its values."""
        return cls(**{**facts, "levels": tuple(facts["levels"]), "counts": tuple(facts["counts"])})


def read_column(name: str, cells: Sequence[str]) -> Column:
    """Returns a column typed by its cells, which are stripped text."""
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
        if understood >= MIN_TYPED_SHARE * total:
            return _measured(name, read is _days, numbers, note, codes, texts, present)
    return _categories(name, codes, texts, present, rows)


def _numbers(texts: list[str], present: NDArray[np.bool_]) -> tuple[NDArray[np.float64], str]:
    """Returns each text as a number, NaN where it is not one, and a note where commas had to be interpreted."""
    plain, comma, thousands = (
        re.compile(pattern, re.IGNORECASE | re.ASCII) for pattern in (DECIMAL_POINT, DECIMAL_COMMA, THOUSANDS)
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
            THOUSANDS_NOTE,
            re.compile(rf"{DECIMAL_POINT}|{THOUSANDS}", re.IGNORECASE | re.ASCII),
        )
    else:
        swap, note, plain = _with_point, COMMA_NOTE, comma
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
    """Returns each text as days since 2000-01-01, NaN where it is not a date, and a note that names the format."""
    best, note, most = np.full(len(texts), np.nan), "", 0
    for pattern, form, words in DATE_FORMATS:
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
    """Returns a column of numbers or dates."""
    notes = [note] if note else []
    numbers = np.where(np.abs(numbers) > MAX_MAGNITUDE, np.inf, numbers)
    if infinite := int(np.isin(codes, np.flatnonzero(np.isinf(numbers))).sum()):
        notes.append(f"{infinite:,} infinite or larger than {MAX_MAGNITUDE:g}, treated as missing")
    invalid = np.flatnonzero(np.isnan(numbers) & present)
    if len(invalid):
        count = int(np.isin(codes, invalid).sum())
        notes.append(
            f"{count:,} not a {'date' if date else 'number'}, such as “{texts[invalid[0]][:40]}”, treated as missing"
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
    """Returns distinct numbers as class names, smallest first, with their counts; nothing where they are too many for classes."""
    if distinct > MAX_NUMERIC_LEVELS:
        return (), ()
    values, counts = np.unique(known, return_counts=True)
    return tuple(f"{value:.12g}" for value in values), tuple(int(count) for count in counts)


def words_of(name: str) -> list[str]:
    """Returns the words of a name such as "user_id" or "userId", in lower case."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())


def _categories(
    name: str, codes: NDArray[np.intp], texts: list[str], present: NDArray[np.bool_], rows: NDArray[np.intp]
) -> Column:
    """Returns a column of texts: categories where they repeat, free text or names where they do not."""
    total, distinct = int(rows[present].sum()), int(present.sum())
    missing = len(codes) - total
    too_long = any(len(text) > MAX_LEVEL_LENGTH for text, use in zip(texts, present, strict=True) if use)
    unique = distinct > 20 and distinct > 0.5 * total
    if distinct > MAX_LEVELS or too_long or unique:
        note = "nearly every value is different" if unique else "too long or too varied to be categories"
        blank = np.where(present, 0.0, np.nan)[codes]
        return Column(name, "text", missing, total, distinct, note, identifier=unique, values=blank)
    order = sorted(np.flatnonzero(present), key=lambda code: texts[code])
    level_of = np.full(len(texts), np.nan)
    level_of[order] = np.arange(len(order))
    return Column(
        name,
        "category",
        missing,
        total,
        distinct,
        levels=tuple(texts[code] for code in order),
        counts=tuple(int(rows[code]) for code in order),
        values=level_of[codes],
    )


def columns_of(manifest: Mapping[str, Any]) -> list[Column]:
    """Returns a table's columns, without their values."""
    return [Column.from_facts(facts) for facts in manifest["columns"]]
