"""A run as one PyTorch script, made of the functions that ran.

Executed in an empty folder with the same torch on a CPU it prints the numbers that the run recorded, bit for bit.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

from trainer.config import RunConfig
from trainer.export.script import head, network
from trainer.export.script.definitions import definitions
from trainer.export.script.network import Symbol
from trainer.export.script.predicates import answers
from trainer.export.script.source.edits import LONGEST_LINE
from trainer.export.script.source.modules import Item, read
from trainer.export.script.specialize import Specializer, uses

PROGRAM = "trainer.export.script.exact_program"
MARKS = ("stands_in",)


def exact_script(config: RunConfig, title: str = "", results: Mapping[str, Any] | None = None) -> str:
    """The script of a configuration; `title` and the recorded `results` go into its first lines. Imports no torch."""
    specialize = specializer(config)
    found = definitions(specialize, LONGEST_LINE)
    constants = head.constants(config, specialize.constants, "\n".join(found.texts.values()))
    plain = [item for item in found.texts if isinstance(read(item.module).definitions[item.name], ast.Assign)]
    docstring = head.docstring(
        [
            head.summary(config, title),
            f"Written by Trainscope from the functions that trained it. Needs {', '.join(head.needed(found.imports))}. "
            f"On a CPU, with torch {version('torch')}, it prints the numbers of the run, digit for digit.",
            head.changes(config),
            *head.recorded(results),
        ]
    )
    parts = [
        docstring,
        "from __future__ import annotations",
        head.imports(found.imports),
        "\n".join([*constants, *(found.texts[item] for item in reversed(plain))]),
    ]
    functions = [text for item, text in found.texts.items() if item not in plain]
    return "\n\n\n".join(["\n\n".join(parts), *functions, 'if __name__ == "__main__":\n    main()']) + "\n"


def specializer(config: RunConfig) -> Specializer:
    """What makes definitions ready for a configuration."""
    made = network.build(config, *shapes(config), MARKS)
    data = read(config.technique("data").function.__module__).definitions[
        config.technique("data").function.__name__
    ]
    values = {
        "READS_FILES": isinstance(data, ast.FunctionDef) and uses(data, "folder"),
        "NETWORK": made,
        "SEQUENTIAL": Item("trainer.models.parts", "sequential"),
    }
    return Specializer(config, PROGRAM, MARKS, answers(config, network.kinds(made)), values)


def shapes(config: RunConfig) -> tuple[tuple[int | Symbol, ...], int | Symbol, int | Symbol]:
    """Shape of an input, outputs and vocabulary: numbers where the data set declares them, else what names them."""
    facts, knobs = config.data_facts(), config.data.knobs
    axes = {"image": 3, "sequence": 2}.get(facts["kind"], 1)
    shape = facts.get("shape") or tuple(Symbol(f"data.samples.shape[{axis}]") for axis in range(axes))
    if facts.get("own") == "images":
        shape = (shape[0], knobs["side"], knobs["side"])
    outputs = Symbol("data.outputs") if facts.get("own") else facts.get("outputs", Symbol("data.outputs"))
    return shape, outputs, Symbol("len(data.samples.vocabulary)") if facts["kind"] == "text" else 0
