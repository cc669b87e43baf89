"""The first lines of a script: what it is, what it needs, what the run recorded, its imports and constants."""

from __future__ import annotations

import re
import sys
import textwrap
import unicodedata
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import packages_distributions
from typing import Any

from trainer.config import RunConfig, attributes, diff, plain_knobs
from trainer.describe.figures import weights_at_end
from trainer.export.script.changing import History
from trainer.export.script.definitions import Definitions
from trainer.export.script.source.edits import literal
from trainer.export.script.source.modules import Import
from trainer.lifecycle.hot_knobs import applied_changes

WIDTH = 108
TOLD = 20  # changes of knobs; the script has them all


def docstring(*paragraphs: str) -> str:
    """The script's docstring; paragraphs that are empty are left out."""
    lines = ("\n".join(textwrap.wrap(text, WIDTH)) for text in paragraphs if text)
    return '"""' + "\n\n".join(lines) + '\n"""'


def summary(config: RunConfig, title: str) -> str:
    """What trains on what, under the name that the run has."""
    names = [config.technique(family).label for family in ("model", "data", "optimizer")]
    return f"{harmless(title)[:120] or 'A training run'}: {names[0]} on {names[1]} with {names[2]}."


def changes(config: RunConfig) -> str:
    """What is not at its default, in a sentence; empty where all is."""
    changed = "; ".join(f"{change.label} {change.after}" for change in diff(RunConfig(), config))
    return f"Not at their default: {harmless(changed)}." if changed else ""


def history(config: RunConfig, history: History) -> str:
    """Where the run branched and how its knobs changed, in sentences; empty for one that did neither."""
    said = [f"It branched at step {one.step:,}." for one in history.forks[-1:]]
    changes = [
        f"{', '.join(map(str, one.differences))} at step {one.step:,}"
        for one in applied_changes(config, history.changes)
        if one.step is not None
    ]
    more = [f"and {len(changes) - TOLD:,} more"] if len(changes) > TOLD else []
    if changes:
        said.append(f"Its knobs changed while it trained: {'; '.join([*changes[:TOLD], *more])}.")
    return harmless(" ".join(said))


def recorded(results: Mapping[str, Any] | None) -> Iterable[str]:
    """What the run measured at its end. Of an imported run anything may stand there."""
    for part in ("validation", "test"):
        values = (results or {}).get(part) or {}
        if isinstance(loss := values.get("loss"), float):
            metric = harmless(str((results or {}).get("metric")))
            weights = weights_at_end(results or {})
            yield f"Recorded {part} loss {loss!r}, {metric} {values.get('metric')!r} ({weights})."


def harmless(text: str) -> str:
    """Other people's words, fit for a docstring: one line, no quotes or backslashes that would end or change it."""
    line = " ".join("".join(c if unicodedata.category(c)[0] not in "CZ" else " " for c in text).split())
    return line.replace("\\", "/").replace('"', "'")


def needed(found: Iterable[Import]) -> list[str]:
    """The packages to install, by the names that pip knows."""
    tops = {one.module.split(".")[0] for one in found} - sys.stdlib_module_names
    return sorted(distributions().get(top, [top])[0] for top in tops)


@cache
def distributions() -> Mapping[str, list[str]]:
    """The packages that bring each module; looking through all that are installed takes a quarter of a second."""
    return packages_distributions()


def imports(found: Iterable[Import]) -> str:
    """Import statements: the standard library, then packages."""
    statements: dict[tuple[bool, str], set[str]] = {}
    for one in found:
        outside = one.module.split(".")[0] not in sys.stdlib_module_names
        package, _, last = one.module.rpartition(".")
        if one.name:
            statements.setdefault((outside, f"from {one.module} import "), set()).add(one.name)
        elif package and one.bound == last:
            statements.setdefault((outside, f"from {package} import "), set()).add(last)
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


def constants(
    config: RunConfig, names: Iterable[str], found: Definitions, *, explained: bool = True
) -> list[str]:
    """The plain knobs that a script mentions, each with what it means, and its other constants."""
    text, attribute = "\n".join(found.texts.values()), attributes()
    wanted = {name for name in names if re.search(rf"\b{name}\b", text)}
    lines = [
        f"{name.upper()} = {literal(getattr(config, name))}" + f"  # {knob.help}" * explained
        for key, knob in plain_knobs().items()
        if (name := attribute[key]).upper() in wanted
    ]
    return [*lines, *(found.texts[item] for item in found.constants)]
