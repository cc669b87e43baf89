"""How a short script reads a person's own file: a table with pandas, images out of their zip, both as they were uploaded."""

from __future__ import annotations

import csv
from typing import Any

from trainer.config import RunConfig
from trainer.data.columns import COMMA_NOTE, DATE_FORMATS, THOUSANDS_NOTE, Column, columns_of
from trainer.data.samples import DataError
from trainer.data.tables import decode, encoding_of, has_header, sniff_delimiter
from trainer.data.targets import check_target, used_columns
from trainer.data.uploads import require_manifest, upload_folder
from trainer.export.script.errors import EXACT_INSTEAD, ShortScriptError
from trainer.export.script.source.edits import literal
from trainer.export.script.source.modules import Import
from trainer.export.script.source.references import References
from trainer.export.script.values import Source

TABLE = "table.csv"  # as images.zip in the program: where the script looks for the file


def own_facts(config: RunConfig) -> dict[str, Any]:
    """What is known of a person's own file. Raises ShortScriptError when it is not on this machine."""
    kind = config.technique("data").facts["own"]
    try:
        manifest = require_manifest(config.data.knobs["file"], kind)
    except DataError as error:
        raise ShortScriptError(str(error)) from error
    if kind == "table":
        return {}
    if len(manifest["said"]) > 1 + (manifest["train"] < manifest["images"]):
        raise ShortScriptError(f"Some images of the zip cannot be decoded. {EXACT_INSTEAD}")
    knobs = config.data.knobs
    channels = {"grey": 1, "color": 3}.get(knobs["color"], manifest["channels"])
    return {"shape": (channels, knobs["side"], knobs["side"])}


def table_values(config: RunConfig, references: References) -> dict[str, Any]:
    """What the short program's names for the table mean. Raises ShortScriptError for one that pandas reads differently."""
    knobs = config.data.knobs
    columns = columns_of(require_manifest(knobs["file"], "table"))
    try:
        target = check_target(columns, knobs["target"], knobs["task"])
    except DataError as error:
        raise ShortScriptError(str(error)) from error
    used = [columns[place] for place in used_columns(columns, target, knobs["leave_out"])]
    numbers = [column.name for column in used if column.kind in ("number", "date")]
    measured = [column.name for column in (*used, columns[target]) if column.kind == "number"]
    return {
        "READ_TABLE": Source(_reading(knobs["file"], columns, references)),
        "TARGET": columns[target].name,
        "DAYS": [(column.name, _date_format(column)) for column in used if column.kind == "date"],
        "MEASURED": measured,
        "NUMBERS": numbers,
        "CATEGORIES": [column.name for column in used if column.kind == "category"],
    }


def _reading(digest: str, columns: list[Column], references: References) -> str:
    """The call that reads the table."""
    data = (upload_folder(digest) / "original").read_bytes()
    text, delimiter = sniff_delimiter(decode(data)[0])
    first = next(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    names, encoding = [column.name for column in columns], encoding_of(data)
    options: dict[str, object] = {"sep": delimiter} if delimiter != "," else {}
    options |= {"encoding": encoding} if encoding != "utf-8" else {}
    if not has_header([cell.strip() for cell in first]):
        options |= {"header": None, "names": names}
    elif first != names:
        options |= {"header": 0, "names": names}
    notes = {column.note.split("; ")[0] for column in columns if column.kind == "number"}
    if {COMMA_NOTE, THOUSANDS_NOTE} <= notes:
        raise ShortScriptError(f"Commas mean different things in the table's columns. {EXACT_INSTEAD}")
    options |= {"decimal": ","} if COMMA_NOTE in notes else {}
    options |= {"thousands": ","} if THOUSANDS_NOTE in notes else {}
    options |= {"na_values": ["?", "-", "--", ".", "nil"], "skipinitialspace": True}
    pandas = references.place(Import("pandas", "", "pd"))
    words = ", ".join(f"{name}={_written(value)}" for name, value in options.items())
    return f"{pandas}.read_csv({literal(TABLE)}, {words})"


def _written(value: object) -> str:
    return f"[{', '.join(map(literal, value))}]" if isinstance(value, list) else literal(value)


def _date_format(column: Column) -> str:
    """How pandas is told to read a column of dates."""
    form = next(form for _, form, words in DATE_FORMATS if column.note.startswith(f"read as {words}"))
    return "ISO8601" if form == "%Y-%m-%d" else form
