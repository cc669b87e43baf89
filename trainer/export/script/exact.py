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
from trainer.export.script.changing import STRAIGHT, History, hot_values
from trainer.export.script.definitions import definitions
from trainer.export.script.network import Made, Symbol
from trainer.export.script.predicates import answers
from trainer.export.script.signatures import uses
from trainer.export.script.source.edits import LONGEST_LINE
from trainer.export.script.source.modules import Import, Item, read
from trainer.export.script.specialize import Specializer, item_of
from trainer.export.script.values import Called

PROGRAM = "trainer.export.script.exact_program"
NAMESPACE = Import("types", "SimpleNamespace", "SimpleNamespace")


def exact_script(
    config: RunConfig,
    title: str = "",
    results: Mapping[str, Any] | None = None,
    history: History = STRAIGHT,
) -> str:
    """The script of a configuration; `title` and the recorded `results` go into its first lines. Of a run with a `history` it
    trains what it began with, or branched from, changes what changed at its step, and goes on. Imports no torch."""
    specialize = specializer(config, history)
    found = definitions(specialize, LONGEST_LINE)
    docstring = head.docstring(
        head.summary(config, title),
        f"Written by Trainscope from the functions that trained it. Needs {', '.join(head.needed(found.imports))}. "
        f"On a CPU, with torch {version('torch')}, it prints the numbers of the run, digit for digit.",
        head.changes(config),
        head.history(config, history),
        *head.recorded(results),
    )
    knobs = head.constants(specialize.config, specialize.constants, found)
    first = [docstring, "from __future__ import annotations", head.imports(found.imports), "\n".join(knobs)]
    return (
        "\n\n\n".join(["\n\n".join(first), *found.functions, 'if __name__ == "__main__":\n    main()']) + "\n"
    )


def specializer(config: RunConfig, history: History = STRAIGHT) -> Specializer:
    """What makes definitions ready for a configuration, and for those that it became."""
    stages = history.stages(config)
    # What changed before the first step is as if it had been chosen.
    config = stages[0].changed({"epochs": config.epochs})
    made = built(config)
    values = {
        "READS_FILES": reads_files(config),
        "NETWORK": made,
        "SEQUENTIAL": Item("trainer.models.parts", "sequential"),
        "FORK": history.fork,
        "HOT": None,
        "CHANGED": {},
        "DROPS": False,
    }
    if len(stages) > 1:
        first, changes = hot_values(stages, item_of, built)
        values["HOT"], values["CHANGED"] = Called(NAMESPACE, (), first), changes
        values["DROPS"] = any("network" in change for change in changes.values())
    later = tuple(stages.values())
    return Specializer(config, PROGRAM, answers(config, network.kinds(made)), values, later=later)


def built(config: RunConfig) -> Made:
    """The network of a configuration."""
    return network.build(config, *shapes(config))


def reads_files(config: RunConfig) -> bool:
    """Whether the data set's function looks into the folder that it receives."""
    function = config.technique("data").function
    node = read(function.__module__).definitions[function.__name__]
    return isinstance(node, ast.FunctionDef) and uses(node, "folder")


def shapes(config: RunConfig) -> tuple[tuple[int | Symbol, ...], int | Symbol, int | Symbol]:
    """Shape of an input, outputs and vocabulary: numbers where the data set declares them, else what names them."""
    facts, knobs = config.data_facts(), config.data.knobs
    axes = {"image": 3, "sequence": 2}.get(facts["kind"], 1)
    shape = facts.get("shape") or tuple(Symbol(f"data.samples.shape[{axis}]") for axis in range(axes))
    if facts.get("own") == "images":
        shape = (shape[0], knobs["side"], knobs["side"])
    outputs = Symbol("data.outputs") if facts.get("own") else facts.get("outputs", Symbol("data.outputs"))
    return shape, outputs, Symbol("len(data.samples.vocabulary)") if facts["kind"] == "text" else 0
