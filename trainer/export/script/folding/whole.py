"""A script as a whole: who uses what, and edits in many definitions at once."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from trainer.export.script.source.edits import Edit, Text, parsed
from trainer.export.script.source.modules import Import, Item
from trainer.export.script.source.references import References

BUILTINS = {"tuple", "list", "dict", "len", "range", "int", "float", "str", "bool", "min", "max", "round"}
CONVERSIONS = {"to", "from_numpy", "astype", "float", "detach", "ascontiguousarray"}


class Use(NamedTuple):
    """A place where a definition is mentioned: in whose text, and the call, where it is called there."""

    host: Item
    node: ast.Name
    call: ast.Call | None


class Whole:
    """All definitions of a script as they are now; `by_hand` as one would write it, without hints that only save time."""

    def __init__(self, texts: Mapping[Item, str], references: References, by_hand: bool) -> None:
        self.texts, self.references, self.by_hand = texts, references, by_hand
        self.pending: dict[Item, list[Edit]] = {}

    def text(self, item: Item) -> Text:
        """A definition with its tree."""
        return parsed(self.texts[item])

    def node(self, item: Item) -> ast.stmt:
        """A definition's tree."""
        return self.text(item).tree.body[0]

    @cached_property
    def uses(self) -> dict[Item, list[Use]]:
        """Where each definition is mentioned."""
        found: dict[Item, list[Use]] = {item: [] for item in self.texts}
        for host in self.texts:
            nodes = self.text(host).nodes
            calls = {id(node.func): node for node in nodes if isinstance(node, ast.Call)}
            for node in nodes:
                if isinstance(node, ast.Name):
                    meaning = self.references.meaning(node.id)
                    if meaning in found:
                        found[meaning].append(Use(host, node, calls.get(id(node))))
        return found

    @cached_property
    def attributes(self) -> Counter[str]:
        """How often each name follows a dot."""
        nodes = (node for item in self.texts for node in self.text(item).nodes)
        return Counter(node.attr for node in nodes if isinstance(node, ast.Attribute))

    def means(self, node: ast.AST, module: str, name: str) -> bool:
        """Whether a node is a name that was imported from outside the project."""
        return isinstance(node, ast.Name) and self.references.meaning(node.id) == Import(module, name, name)

    def is_constant(self, node: ast.AST) -> bool:
        """Whether an expression has the same value everywhere in the script."""
        if isinstance(node, ast.Name):
            return self.references.meaning(node.id) is not None or node.id.isupper()
        if isinstance(node, ast.Attribute):
            return isinstance(node.value, ast.Name | ast.Attribute) and self.is_constant(node.value)
        if isinstance(node, ast.UnaryOp):
            return isinstance(node.operand, ast.Constant)
        if isinstance(node, ast.Tuple):
            return all(map(self.is_constant, node.elts))
        return isinstance(node, ast.Constant)

    def edit(self, edits: Mapping[Item, list[Edit]]) -> bool:
        """Notes edits that belong together. False when one of them would touch what is to change already."""
        for item, new in edits.items():
            for one, other in (
                (a, b) for a in new for b in (*self.pending.get(item, ()), *new) if a is not b
            ):
                if one.start < other.end and other.start < one.end:
                    return False
        for item, new in edits.items():
            self.pending.setdefault(item, []).extend(new)
        return True

    def edited(self) -> dict[Item, str]:
        """All texts after the edits."""
        return {
            item: self.text(item).with_edits(*self.pending[item]) if item in self.pending else text
            for item, text in self.texts.items()
        }


def is_pure(node: ast.AST) -> bool:
    """Whether an expression may be left out: it does nothing but give a value."""
    for one in ast.walk(node):
        if isinstance(one, ast.Call):
            names = (getattr(one.func, "id", "") in BUILTINS, getattr(one.func, "attr", "") in CONVERSIONS)
            if not any(names):
                return False
        if isinstance(one, ast.NamedExpr | ast.Await | ast.Yield | ast.YieldFrom):
            return False
    return True
