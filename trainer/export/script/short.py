"""A run as the script that one would write by hand: torch's own names, at most 120 lines, results within the noise of seeds."""

from __future__ import annotations

import ast
import textwrap
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from trainer.config import RunConfig
from trainer.engine.augment import chosen_changes
from trainer.export.script import head, network
from trainer.export.script.definitions import Definitions, definitions
from trainer.export.script.errors import EXACT_INSTEAD, ShortScriptError
from trainer.export.script.exact import reads_files
from trainer.export.script.network import Made, Symbol
from trainer.export.script.own_files import own_facts, table_values
from trainer.export.script.predicates import answers
from trainer.export.script.source.edits import LONGEST_LINE, Text
from trainer.export.script.source.modules import Import, Item
from trainer.export.script.specialize import Specializer, chosen
from trainer.export.script.values import Form, Source
from trainer.registry import families
from trainer.streams import stream_seed

PROGRAM = "trainer.export.script.short_program"
MOST_LINES = 120
STACKS = {"LSTM": ("LSTM", 4), "GRU": ("GRU", 3), "TransformerEncoder": ("MultiheadAttention", 3)}
"""Layers with weights that are several matrices on top of each other: in which layer, and how many."""
UNEVEN = {"RNN", *STACKS, "Parameter"}  # layers that have more than one weight and one bias to initialize


def short_script(config: RunConfig, title: str = "", results: Mapping[str, Any] | None = None) -> str:
    """The short script of a configuration. Imports no torch. Raises ShortScriptError where there is none."""
    specialize = specializer(config)
    found = definitions(specialize, LONGEST_LINE)
    main, *helpers = found.functions
    docstring = head.docstring(
        head.summary(config, title),
        "The run's data, split and settings, written as by hand; results agree within the noise of seeds. "
        f"Needs {', '.join(head.needed(found.imports))}.",
        *head.recorded(results),
    )
    knobs = head.constants(config, specialize.constants, found, explained=False)
    first = "\n\n".join([docstring, head.imports(found.imports), "\n".join(knobs)])
    text = "\n\n\n".join([first, *reversed(helpers)])
    text += ("\n\n\n" if helpers else "\n\n") + unwrapped(main)
    if (lines := text.count("\n")) > MOST_LINES:
        raise ShortScriptError(too_long(config, found, lines))
    return text


def too_long(config: RunConfig, found: Definitions, lines: int) -> str:
    """Why there is no short script: the choice that takes most of its lines."""
    counts = Counter({item.module: 0 for item in found.texts})
    for item, text in found.texts.items():
        counts[item.module] += text.count("\n") + 1
    modules = {
        families()[family].label: technique.function.__module__
        for family, technique in chosen(config)
        if technique.name != families()[family].default and family != "data"
    }
    what = max(modules, key=lambda label: counts[modules[label]], default="This configuration")
    return (
        f"{what} cannot be said in a short script: with it there would be {lines} lines, more than {MOST_LINES}. "
        f"{EXACT_INSTEAD}"
    )


def unwrapped(main: str) -> str:
    """The statements of the main function, with two empty lines around functions and at most one elsewhere."""
    body = Text(textwrap.dedent(main.split("\n", 2)[2]))
    rows, done = [line.rstrip() for line in body.lines], 0
    out: list[str] = []
    for before, node in pairwise([None, *body.tree.body]):
        assert node is not None
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", ()))]) - 1
        between, last = rows[done:first], node.end_lineno or 0
        around = isinstance(before, ast.FunctionDef) or isinstance(node, ast.FunctionDef)
        gap = 0 if before is None else 2 if around else int("" in between)
        out += [""] * gap + [line for line in between if line]
        out += [line for line, after in pairwise([*rows[first:last], ""]) if line or after]
        done = last
    return "\n".join(out) + "\n"


def specializer(config: RunConfig) -> Specializer:
    """What makes definitions ready for a configuration."""
    facts = facts_of(config)
    made = build(facts, config)
    layers = network.kinds(made)
    specialize = Specializer(
        config,
        PROGRAM,
        answers(config, layers, downloads=True),
        {
            "short": Form,
            "spoken": lambda family: "short" in config.technique(family).facts,
            "TEST_SHARE": config.test_share,
            "VALIDATION_SHARE": config.validation_share,
            "TEST_SEED": stream_seed(config.seed_for("split"), "split", "test", bits=31),
            "VALIDATION_SEED": stream_seed(config.seed_for("split"), "split", "validation", bits=31),
            "TEXT": Source(changed_text(config)),
            "NETWORK": made,
            "CLASSES": outputs_of(facts),
            "AXES": {"image": (0, 2, 3), "sequence": (0, 1)}.get(facts["kind"], 0),
            "SIDES": tuple(facts["shape"][1:]) if "shape" in facts else Source("tuple(x_train.shape[2:])"),
            "MODE": "L" if facts.get("shape", (3,))[0] == 1 else "RGB",
            "LAST_IS_ALONE": config.technique("normalization").facts.get("smallest_batch", 1) > 1,
            "LACKS_HALF": "LSTM" in layers and bool(config.technique("precision").facts.get("scales_loss")),
            "EMBEDS": "Embedding" in layers,
            "ONLY_WEIGHED": not layers & UNEVEN,
        },
        {Item("trainer.data.samples", "Samples"): Item(PROGRAM, "plain_arrays")},
        by_hand=True,
    )
    specialize.scope |= layer_names(specialize, layers) | data_values(config, specialize)
    return specialize


def facts_of(config: RunConfig) -> dict[str, Any]:
    """What is known of the data."""
    facts = dict(config.data_facts())
    return facts | own_facts(config) if "own" in facts else facts


def build(facts: Mapping[str, Any], config: RunConfig) -> Made:
    """The network, whose numbers are those of the data where these are known."""
    axes = {"image": 3, "sequence": 2}.get(facts["kind"], 1)
    shape = facts.get("shape") or tuple(Symbol(f"x_train.shape[{axis}]") for axis in range(1, axes + 1))
    vocabulary = Symbol("len(vocabulary)") if facts["kind"] == "text" else 0
    return network.build(config, shape, outputs_of(facts), vocabulary, short=True)


def outputs_of(facts: Mapping[str, Any]) -> int | Symbol:
    """How many numbers the network puts out."""
    symbol = Symbol("int(y.max()) + 1" if facts["task"] == "classification" else "y.shape[1]")
    outputs: int | Symbol = facts.get("outputs", symbol)
    return outputs


def changed_text(config: RunConfig) -> str:
    """The words of a text after all changes, one within the other."""
    words = "text[text != 0].tolist()"
    for family in chosen_changes(config):
        words = f"short({family!r})(words={words}, vocabulary=vocabulary, longest=x_train.shape[1])"
    return words


def layer_names(specialize: Specializer, layers: frozenset[str]) -> dict[str, Any]:
    """How the layers of the network are called where they are initialized."""
    nn = specialize.references.place(Import("torch", "nn", "nn"))
    stacking, gates = next((STACKS[kind] for kind in STACKS if kind in layers), ("Module", 1))
    weighed = [f"{nn}.{kind}" for kind in ("Linear", "Conv2d") if kind in layers]
    return {"STACKING": Source(f"{nn}.{stacking}"), "GATES": gates, "WEIGHED": Source(" | ".join(weighed))}


def data_values(config: RunConfig, specialize: Specializer) -> dict[str, Any]:
    """Where the data come from."""
    facts = config.data_facts()
    if facts.get("own") == "table":
        return table_values(config, specialize.references)
    folder = '"data"' if "files" in facts else "FOLDER" if reads_files(config) else ""
    return {"DATA": Source(f"config.bound('data')({folder})")}
