"""Reads an untrusted CSV: its encoding, delimiter and header, and what each column holds.

Everything is decided once, when the file is uploaded, and stored; training reads the typed columns alone. This runs in a process
of its own with bounded memory and time (processes/sandboxed_reader.py), and still checks every size before it grows.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trainer.data.columns import Column, read_column
from trainer.data.samples import DataError, Progress, silent
from trainer.formatting import format_bytes

MAX_BYTES = 50_000_000
MAX_ROWS = 500_000
MAX_COLUMNS = 500
MAX_CELLS = 5_000_000
MAX_CELL_LENGTH = 10_000  # characters
MAX_NAME_LENGTH = 80
MIN_ROWS = 20
PREVIEW_ROWS = 50
DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}
SNIFFED_LINES = 200
ROWS_PER_REPORT = 20_000


@dataclass(frozen=True)
class Table:
    """A table as it was read: its typed columns, its first rows, and sentences about how it was read."""

    columns: tuple[Column, ...]
    rows: int
    preview: tuple[tuple[str, ...], ...]
    notices: tuple[str, ...]

    @property
    def values(self) -> NDArray[np.float64]:
        """All columns as numbers [rows, columns]; NaN is missing, categories are indices into their column's levels."""
        return np.column_stack([column.values for column in self.columns])


def read_table(data: bytes, report: Progress = silent) -> Table:
    """Returns the table in the bytes of a CSV. Raises DataError when they are not a CSV, or it is too large."""
    text, notices = decode(data)
    text, delimiter = sniff_delimiter(text)
    _check_size(text, delimiter)
    rows = _rows(text, delimiter, report)
    first = next(rows, None)
    if first is None:
        raise DataError("The file is empty: it has no row with a value.")
    if len(first) < 2:
        raise DataError(
            "The file has a single column; a network needs one to predict and at least one to predict it from. "
            "Columns are separated by commas, semicolons, tabs or pipes."
        )
    if len(first) > MAX_COLUMNS:
        raise DataError(f"The table has {len(first):,} columns; the limit is {MAX_COLUMNS}.")
    body = _check_widths(rows, len(first))
    if has_header(first):
        names = tidy_names(first)
    else:
        names = tidy_names([""] * len(first))
        body.insert(0, first)
        notices.append(
            "The first row holds values, not names, so the columns are named column 1, column 2, …"
        )
    if len(body) < MIN_ROWS:
        raise DataError(f"The table has {len(body)} rows of values; training needs at least {MIN_ROWS}.")
    preview = tuple(tuple(cell[:MAX_NAME_LENGTH] for cell in row) for row in body[:PREVIEW_ROWS])
    count, cells = len(body), list(zip(*body, strict=True))
    del body
    columns = []
    for number, name in enumerate(names):
        columns.append(read_column(name, cells[number]))
        cells[number] = ()  # frees its text
        report(0.5 + 0.5 * (number + 1) / len(names))
    notices.insert(0, f"{count:,} rows, {DELIMITERS[delimiter]}-separated.")
    return Table(tuple(columns), count, preview, tuple(notices))


def decode(data: bytes) -> tuple[str, list[str]]:
    """Returns the text, and a notice where its encoding had to be guessed. Raises DataError when the bytes are not text."""
    if len(data) > MAX_BYTES:
        raise DataError(
            f"The table has {format_bytes(len(data))}; the limit is {format_bytes(MAX_BYTES)}. Take a sample of its rows."
        )
    _refuse_known_formats(data)
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return _printable(_decoded(data, "utf-16")), []
    if b"\0" in data:
        raise DataError("This is not a text file: it contains null bytes. Save the table as CSV in UTF-8.")
    try:
        return _printable(data.decode("utf-8-sig")), []
    except UnicodeDecodeError as error:
        where = data.count(b"\n", 0, error.start) + 1
    encoding = "cp1252" if _can_decode(data, "cp1252") else "latin-1"
    note = (
        f"The file is not UTF-8 (line {where:,}); it is read as {'Windows-1252' if encoding == 'cp1252' else 'Latin-1'}. "
        "Check that accented letters are right."
    )
    return _printable(data.decode(encoding)), [note]


def encoding_of(data: bytes) -> str:
    """The encoding in which `decode` reads the bytes of a text."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    return next(name for name in ("utf-8", "cp1252", "latin-1") if _can_decode(data, name))


def _refuse_known_formats(data: bytes) -> None:
    for magic, what in (
        (b"PAR1", "a Parquet file"),
        (b"%PDF", "a PDF"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"\xd0\xcf\x11\xe0", "an old Office document"),
        (b"SQLite format 3", "an SQLite database"),
    ):
        if data.startswith(magic):
            raise DataError(f"This is {what}, not a CSV. Save the table as CSV in UTF-8 and upload that.")


def _decoded(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError:
        raise DataError(
            f"The file starts as {encoding.upper()} text but is cut off or damaged. Save it as CSV in UTF-8."
        ) from None


def _can_decode(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _printable(text: str) -> str:
    """Returns the text. Raises DataError when too much of its beginning is control characters."""
    head = text[:100_000]
    odd = sum(character < " " and character not in "\t\r\n\x0b\x0c" for character in head)
    if "\0" in text or odd > len(head) / 100:
        raise DataError("This is not a text file but binary data. Save the table as CSV in UTF-8.")
    return text


def sniff_delimiter(text: str) -> tuple[str, str]:
    """Returns the text without Excel's "sep=" line, and the delimiter that splits its rows most evenly."""
    if match := re.match(r"sep=([,;\t|])\r?\n", text):
        return text[match.end() :], match[1]
    head = "".join(text[:200_000].splitlines(keepends=True)[:SNIFFED_LINES])
    return text, max(DELIMITERS, key=lambda delimiter: (*_evenness(head, delimiter), delimiter != ","))


def _evenness(head: str, delimiter: str) -> tuple[bool, float]:
    """Returns whether nearly all rows are as wide as the first, and the share of rows with the most common width.

    Both are zero for a delimiter that splits nothing. The caller prefers any other to an equally good comma, because commas
    also occur inside numbers.
    """
    widths: list[int] = []
    with contextlib.suppress(csv.Error):  # the rows before it suffice here; reading reports the error
        widths.extend(
            len(row) for row in csv.reader(io.StringIO(head, newline=""), delimiter=delimiter) if row
        )
    if not widths:
        return False, 0.0
    (width, count), *_ = Counter(widths).most_common(1)
    share = count / len(widths)
    return (share > 0.95 and widths[0] == width, round(share, 1)) if width > 1 else (False, 0.0)


def _check_size(text: str, delimiter: str) -> None:
    """Raises DataError for a table that is too large, before anything is built from it."""
    lines = text.count("\n") or text.count("\r")
    if lines > MAX_ROWS + 1:
        raise DataError(f"The table has {lines:,} rows; the limit is {MAX_ROWS:,}. Upload a sample of them.")
    if (cells := text.count(delimiter) + lines) > MAX_CELLS:
        raise DataError(
            f"The table has about {cells:,} values; the limit is {MAX_CELLS:,}. Leave out rows or columns."
        )


def _rows(text: str, delimiter: str, report: Progress) -> Iterator[list[str]]:
    """Yields the rows that are not blank. Raises DataError with the number of a line that cannot be read."""
    csv.field_size_limit(MAX_CELL_LENGTH)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    lines = text.count("\n") + 1
    begin = 1
    try:
        for number, row in enumerate(reader):
            if any(cell.strip() for cell in row):
                yield [cell.strip() for cell in row]
            begin = reader.line_num + 1
            if number % ROWS_PER_REPORT == 0:
                report(0.5 * min(1.0, reader.line_num / lines))
    except csv.Error as error:
        if "field limit" in str(error):
            reason = f"has a value of more than {MAX_CELL_LENGTH:,} characters; perhaps a quotation mark is never closed"
        else:
            reason = f"cannot be read ({error})"
        raise DataError(f"Line {begin:,} of the table {reason}.") from None


def _check_widths(rows: Iterator[list[str]], width: int) -> list[list[str]]:
    body = []
    for number, row in enumerate(rows, 2):
        if len(row) != width:
            if len(row) > width and not any(row[width:]):  # spreadsheets write trailing delimiters
                row = row[:width]
            else:
                raise DataError(
                    f"Row {number:,} has {len(row)} values, but the first row has {width}. A value that contains the "
                    "delimiter needs quotation marks around it."
                )
        body.append(row)
        if len(body) > MAX_ROWS:
            raise DataError(f"The table has more than {MAX_ROWS:,} rows. Upload a sample of them.")
    return body


def has_header(first: Sequence[str]) -> bool:
    """Returns whether the first row names the columns. A row with a number does not, unless its numbers may be years."""
    numbers = [
        cell
        for cell in first
        if re.fullmatch(r"[+-]?[\d.,]*\d[\d.,]*(e[+-]?\d+)?", cell, re.IGNORECASE | re.ASCII)
    ]
    if not numbers:
        return True
    whole = all(cell.isdecimal() for cell in numbers)
    return whole and len(set(numbers)) == len(numbers) < len([cell for cell in first if cell])


def tidy_names(names: Sequence[str]) -> list[str]:
    """Returns column names fit for display and selection: one line, short, not empty, unique."""
    found: list[str] = []
    for number, name in enumerate(names, 1):
        plain = "".join(
            " " if unicodedata.category(character)[0] in "CZ" else character for character in name
        )
        base = " ".join(plain.split())[:MAX_NAME_LENGTH].strip() or f"column {number}"
        unique, copy = base, 2
        while unique in found:
            unique, copy = f"{base} ({copy})", copy + 1
        found.append(unique)
    return found
