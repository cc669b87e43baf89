"""The definitions of a script, simplified, named and laid out, in the order in which its main function comes to them."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from trainer.config import attributes, plain_knobs
from trainer.export.script.closure import Closure
from trainer.export.script.folding.simplify import simplified
from trainer.export.script.folding.splicing import spliced
from trainer.export.script.source.edits import Edit, Text
from trainer.export.script.source.layout import laid_out
from trainer.export.script.source.modules import SHORT, Import, Item, read
from trainer.export.script.source.names import locals_of
from trainer.export.script.source.references import Reference
from trainer.export.script.specialize import Specializer, chosen, item_of

NOTES = re.compile(r"  # (noqa|type:|fmt:)[^\n]*")  # for tools, not for people


@dataclass(frozen=True)
class Definitions:
    """Texts by where they come from, and the imports that they need."""

    texts: Mapping[Item, str]
    imports: list[Import]

    @property
    def constants(self) -> list[Item]:
        """The module constants, as they stand in their modules, dependencies first."""
        nodes = {item: read(item.module).definitions[item.name] for item in reversed(list(self.texts))}
        found = {
            item: node.lineno for item, node in nodes.items() if isinstance(node, ast.Assign | ast.AnnAssign)
        }
        modules = list(dict.fromkeys(item.module for item in found))
        return sorted(found, key=lambda item: (modules.index(item.module), found[item]))

    @property
    def functions(self) -> list[str]:
        """Functions and classes, the main function first, each before those that it needs."""
        return [text for item, text in self.texts.items() if item not in self.constants]


def definitions(specialize: Specializer, width: int) -> Definitions:
    """Everything that the main function of the specializer's program needs, that function first."""
    closure = Closure(specialize)
    texts = simplified(closure)
    names = _names(closure, texts)
    texts = {
        item: specialize.references.named(
            _summarized(text, specialize.by_hand and item != closure.main), names
        ).strip("\n")
        for item, text in texts.items()
    }
    if specialize.by_hand:
        texts = _with_statements_of_data(closure, texts, names)
    widths = {closure.main: width + 4 * specialize.by_hand}  # whose statements lose their indentation
    return Definitions(
        {item: laid_out(NOTES.sub("", text), widths.get(item, width)) for item, text in texts.items()},
        [one for one in names if isinstance(one, Import)],
    )


def _with_statements_of_data(
    closure: Closure, texts: dict[Item, str], names: Mapping[Reference, str]
) -> dict[Item, str]:
    """The statements that make the data in the main function itself, where only it calls for them."""
    for item in list(texts):
        if item.module.startswith("trainer.data.") and isinstance(item, Item):
            calls = sum(len(re.findall(rf"\b{names[item]}\(", text)) for text in texts.values())
            main = (
                spliced(texts[closure.main], names[item], texts[item], names.values()) if calls == 2 else None
            )
            if main is not None:
                texts = {**texts, closure.main: main}
                del texts[item]
    return texts


def _names(closure: Closure, texts: Mapping[Item, str]) -> dict[Reference, str]:
    """A name for each definition and import: its own, unless another thing in the script is called so."""
    specialize = closure.specialize
    family_of = {
        item_of(technique.function): family
        for config in specialize.configs
        for family, technique in chosen(config)
    }
    names: dict[Reference, str] = {}
    for item, text in texts.items():
        for other in (*specialize.references.within(text), *closure.spelled[item]):
            if isinstance(other, Import):
                names[other] = other.bound or other.module
    taken = set(names.values()) | {attributes()[key].upper() for key in plain_knobs()}
    inner = set().union(*map(locals_of, texts.values()))
    for item in texts:
        name, family = item.name.removesuffix(SHORT), family_of.get(item)
        name = name if (public := name.lstrip("_")) in inner else public
        if name in taken or (family and name != family and name in {"none", *inner}):
            name = f"{'no' if name == 'none' else name}_{family or item.module.rpartition('.')[2]}"
        names[item] = name
        taken.add(name)
    return names


def _summarized(text: str, by_hand: bool) -> str:
    """A definition with the first line of each docstring: the rest tells of what a script may lack.

    As one writes `by_hand`, inner functions and methods have none.
    """
    piece, edits = Text(text), []
    for node in piece.nodes:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (doc := ast.get_docstring(node)):
            row = node.body[0]
            if by_hand and node.col_offset and len(node.body) > 1:
                edits.append(Edit(*piece.rows(row.lineno, row.end_lineno or 0), ""))
            else:
                edits.append(Edit(*piece.span(row), f'"""{doc.splitlines()[0]}"""'))
    text = piece.with_edits(*edits)
    return text.replace('"""\n\n    def ', '"""\n    def ') if by_hand and text.startswith("def") else text
