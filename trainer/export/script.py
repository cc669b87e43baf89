"""A run as one readable PyTorch script, made of the functions that ran.

Executed in an empty folder with the same torch on a CPU it prints the numbers that the run recorded, bit for bit.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions, version
from typing import Any

from trainer.config import RunConfig, diff, plain_knobs
from trainer.engine.augment import chosen_changes
from trainer.export.closure import Closure
from trainer.export.sources import Import, Item, read

RULE = "# " + "-" * 100
NOTES = re.compile(r"  # (noqa|type:|fmt:)[^\n]*")  # for tools, not for people


def script(config: RunConfig, title: str = "", results: Mapping[str, Any] | None = None) -> str:
    """The script of a configuration; `title` and the recorded `results` go into its first lines. Imports no torch."""
    closure = Closure(config, truths(config))
    head = [
        docstring(config, title, results, needed(closure.imports)),
        "from __future__ import annotations",
        imports(closure.imports),
        constants(config, closure.constants),
    ]
    parts = [
        "\n\n".join(part for part in head if part),
        *sections(closure.named(), closure.modules()),
        'if __name__ == "__main__":\n    main()',
    ]
    return "\n\n\n".join(part for part in parts if part) + "\n"


def truths(config: RunConfig) -> dict[str, bool]:
    """Conditions in the project's code that the data and the augmentation decide."""
    facts, mixes = config.data_facts(), config.mixing.name != "none"
    kind, classifies, own_test = facts["kind"], facts["task"] == "classification", "files" in facts
    files = (
        {}
        if facts.get("own") == "images"
        else {
            "samples.test is None": not own_test,
            "inputs.dtype == np.uint8": own_test,
        }
    )
    known = files | {
        "parts.vocabulary": kind == "text",
        "self.vocabulary": kind == "text",
        "len(inputs) == 3": kind == "image",
        "samples.prepare is not None": facts.get("own") == "table",
        "samples.task == 'classification'": classifies,
        "self.task == 'classification'": classifies,
        "task == 'classification'": classifies,
        "self.mix is None": not mixes,
        "self.changes": bool(chosen_changes(config)),
        "inputs.is_floating_point()": kind != "text",
        "inputs.dtype == np.int64": kind == "text",
        "inputs.dtype != np.int64": kind != "text",
        "raw[0][0].dtype != np.int64": kind != "text",
    }
    return known if mixes else known | {"targets.is_floating_point()": False}


def docstring(
    config: RunConfig, title: str, results: Mapping[str, Any] | None, packages: Iterable[str]
) -> str:
    """What the script is, what it needs, and what the run recorded."""
    names = [config.technique(family).label for family in ("model", "data", "optimizer")]
    changed = "; ".join(f"{change.label} {change.after}" for change in diff(RunConfig(), config))
    paragraphs = [
        f"{harmless(title)[:120] or 'A training run'}: {names[0]} on {names[1]} with {names[2]}.",
        f"Written by Trainscope from the functions that trained it. Needs {', '.join(packages)}. On a CPU, with torch "
        f"{version('torch')}, it prints the numbers of the run, digit for digit.",
        f"Not at their default: {harmless(changed)}." if changed else "",
        *recorded(results or {}),
    ]
    lines = ("\n".join(textwrap.wrap(text, 108)) for text in paragraphs if text)
    return '"""' + "\n\n".join(lines) + '\n"""'


def needed(found: Iterable[Import]) -> list[str]:
    """The packages to install, by the names that pip knows."""
    tops = {one.module.split(".")[0] for one in found} - sys.stdlib_module_names
    return sorted(distributions().get(top, [top])[0] for top in tops)


@cache
def distributions() -> Mapping[str, list[str]]:
    """The packages that bring each module; looking through all that are installed takes a quarter of a second."""
    return packages_distributions()


def recorded(results: Mapping[str, Any]) -> Iterable[str]:
    """What the run measured at its end."""
    for part in ("validation", "test"):
        values = results.get(part) or {}
        if isinstance(loss := values.get("loss"), float):
            metric = harmless(
                str(results.get("metric"))
            )  # a run that was taken in from elsewhere may say anything
            yield f"Recorded {part} loss {loss!r}, {metric} {values.get('metric')!r}."


def harmless(text: str) -> str:
    """Other people's words, fit for a docstring: one line, no quotes or backslashes that would end or change it."""
    line = " ".join("".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text).split())
    return line.replace("\\", "/").replace('"', "'")


def imports(found: Iterable[Import]) -> str:
    """Import statements: the standard library, then packages."""
    statements: dict[tuple[bool, str], set[str]] = {}
    for one in found:
        outside = one.module.split(".")[0] not in sys.stdlib_module_names
        if one.name:
            statements.setdefault((outside, f"from {one.module} import "), set()).add(one.name)
        else:
            bound = f" as {one.bound}" if one.bound else ""
            statements[outside, f"import {one.module}{bound}"] = set()
    groups = [
        sorted(
            (
                text + ", ".join(sorted(names))
                for (place, text), names in statements.items()
                if place is outside
            ),
            key=lambda line: (line.startswith("from "), line),
        )
        for outside in (False, True)
    ]
    return "\n\n".join("\n".join(group) for group in groups if group)


def constants(config: RunConfig, names: Iterable[str]) -> str:
    """The plain knobs, each with what it means."""
    wanted, knobs = set(names), plain_knobs()
    return "\n".join(
        f"{name.upper()} = {getattr(config, name)!r}  # {knobs[name].help}"
        for name in knobs
        if name.upper() in wanted
    )


def sections(texts: Mapping[Item, str], modules: Iterable[str]) -> list[str]:
    """The definitions, module after module in the order in which training needs them, each under its module's summary."""
    result = []
    for module in modules:
        source = read(module)
        items = sorted(
            (item for item in texts if item.module == module), key=lambda i: source.definitions[i.name].lineno
        )
        body = f"{RULE}\n# {source.summary}"
        for before, item in zip([None, *items], items, strict=False):
            short = before and all(
                isinstance(source.definitions[one.name], ast.Assign) for one in (before, item)
            )
            body += ("\n" if short else "\n\n\n") + texts[item].strip()
        result.append(NOTES.sub("", body))
    return result
