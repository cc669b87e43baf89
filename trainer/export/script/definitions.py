"""The definitions of a script, simplified, named and laid out, in the order in which its main function comes to them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from trainer.config import plain_knobs
from trainer.export.script.closure import Closure
from trainer.export.script.folding.simplify import simplified
from trainer.export.script.source.edits import Edit, Text
from trainer.export.script.source.layout import laid_out
from trainer.export.script.source.modules import Import, Item
from trainer.export.script.source.names import locals_of
from trainer.export.script.source.references import Reference
from trainer.export.script.specialize import Specializer, chosen

NOTES = re.compile(r"  # (noqa|type:|fmt:)[^\n]*")  # for tools, not for people


@dataclass(frozen=True)
class Definitions:
    """Texts by where they come from, and the imports that they need."""

    texts: Mapping[Item, str]
    imports: list[Import]


def definitions(specialize: Specializer, width: int) -> Definitions:
    """Everything that the main function of the specializer's program needs, that function first."""
    closure = Closure(specialize)
    texts = simplified(closure)
    names = _names(closure, texts)
    named = {
        item: specialize.references.named(_summarized(text), names).strip("\n")
        for item, text in texts.items()
    }
    return Definitions(
        {item: laid_out(NOTES.sub("", text), width) for item, text in named.items()},
        [one for one in names if isinstance(one, Import)],
    )


def _names(closure: Closure, texts: Mapping[Item, str]) -> dict[Reference, str]:
    """A name for each definition and import: its own, unless another thing in the script is called so."""
    specialize = closure.specialize
    family_of = {
        specialize.item_of(technique.function): family for family, technique in chosen(specialize.config)
    }
    names: dict[Reference, str] = {}
    for item, text in texts.items():
        for other in (*specialize.references.within(text), *closure.spelled[item]):
            if isinstance(other, Import):
                names[other] = other.bound or other.module
    taken = set(names.values()) | {knob.upper() for knob in plain_knobs()}
    inner = set().union(*map(locals_of, texts.values()))
    for item in texts:
        name, family = item.name, family_of.get(item)
        if name in taken or (family and name != family and name in {"none", *inner}):
            name = f"{'no' if name == 'none' else name}_{family or item.module.rpartition('.')[2]}"
        names[item] = name
        taken.add(name)
    return names


def _summarized(text: str) -> str:
    """A definition with the first line of each docstring: the rest tells of what a script may lack."""
    piece = Text(text)
    documented = (node for node in piece.nodes if isinstance(node, ast.FunctionDef | ast.ClassDef))
    return piece.with_edits(
        *(
            Edit(*piece.span(node.body[0]), f'"""{doc.splitlines()[0]}"""')
            for node in documented
            if "\n" in (doc := ast.get_docstring(node) or "")
        )
    )
