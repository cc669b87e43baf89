"""Everything that a script needs: starting from its main function, each name leads to the next definition."""

from __future__ import annotations

import ast

from trainer.export.script.source.edits import Edit, Text
from trainer.export.script.source.modules import Import, Item, Meaning, ModuleName, read
from trainer.export.script.source.names import global_names
from trainer.export.script.source.references import Reference
from trainer.export.script.specialize import Specializer


class Closure:
    """The definitions of a script, in the order in which it comes to them.

    In `texts` each name from outside a definition is a place of `references`, so that texts can be taken apart and joined.
    `spelled` are the names that stand in f-strings, where Python 3.11 cannot say at which column: they stay as they are.
    """

    def __init__(self, specialize: Specializer) -> None:
        self.specialize, self.references = specialize, specialize.references
        self.main = Item(specialize.program, "main")
        self.texts: dict[Item, str] = {}
        self.spelled: dict[Item, set[Reference]] = {}
        self._visit(self.main)

    def _visit(self, item: Item) -> None:
        """Adds a definition, and then what it mentions."""
        if item in self.texts:
            return
        text = self.texts[item] = self._linked(item, self.specialize(item))
        for other in (*self.references.within(text), *self.spelled[item]):
            if isinstance(other, Item):
                self._visit(other)

    def _linked(self, item: Item, text: str) -> str:
        """The text with each name from outside replaced by its place."""
        piece, edits = Text(text), []
        visible = {id(node) for node in piece.visible}
        self.spelled[item] = set()
        for node in global_names(piece.tree):
            name = ast.unparse(node)
            meaning = self._meaning(item.module, name)
            if isinstance(meaning, Item | Import):
                if id(node) in visible:
                    edits.append(Edit(*piece.span(node), self.references.place(meaning)))
                else:
                    self.spelled[item].add(meaning)
        edits.append(self._own_name(item, piece))
        return piece.with_edits(*outermost(edits))

    def _meaning(self, module: str, name: str) -> Meaning | None:
        """What a name means, or a name of a module of the project; torch.nn is imported as nn."""
        first, _, rest = name.partition(".")
        meaning = read(module).meaning(first)
        if not rest:
            return self.specialize.replaced.get(meaning, meaning) if isinstance(meaning, Item) else meaning
        if isinstance(meaning, ModuleName):
            return read(meaning.module).meaning(rest)
        return Import("torch", "nn", "nn") if meaning == Import("torch", "", "") and rest == "nn" else None

    def _own_name(self, item: Item, piece: Text) -> Edit:
        """The edit that puts an item's place where it is defined."""
        node = piece.tree.body[0]
        start = piece.span(node)[0]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            start += len("def " if isinstance(node, ast.FunctionDef) else "class ")
        return Edit(start, start + len(item.name), self.references.place(item))


def outermost(edits: list[Edit]) -> list[Edit]:
    """Edits without those that lie within another."""
    return [
        one
        for one in edits
        if not any(one != other and other.start <= one.start and one.end <= other.end for other in edits)
    ]
