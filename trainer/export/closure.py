"""Everything that a script needs: starting from its main function, each name leads to the next definition."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from trainer.config import RunConfig
from trainer.export.edits import Edit, Text
from trainer.export.sources import Import, Item, ModuleName, read
from trainer.export.specialize import PROGRAM, Specializer, chosen, item_of, walk

MAIN = Item(PROGRAM, "main")
PLACE = re.compile(r"_item_(\d+)_")
COMPREHENSIONS = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass
class Closure:
    """The definitions of a script, dependencies first, with what they import and which plain knobs they mention.

    In the texts an item of the project is written as `_item_N_`, N being its place in `numbers`, until names are given out.
    """

    config: RunConfig
    truths: Mapping[str, bool]
    texts: dict[Item, str] = field(default_factory=dict)
    mentions: dict[Item, list[Item]] = field(default_factory=dict)
    imports: set[Import] = field(default_factory=set)
    constants: set[str] = field(default_factory=set)
    numbers: dict[Item, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.specialize = Specializer(self.config, self.place, self.constant, self.truths)
        self._specialized: dict[Item, str] = {}
        used: set[str] = set()
        while True:  # a method is taken along once its name is mentioned, and may mention others
            self.texts, self.mentions, self.imports, self.constants = {}, {}, set(), set()
            self.visit(MAIN, used)
            mentioned = {name for text in self.texts.values() for name in attributes(text)}
            if mentioned <= used:
                return
            used |= mentioned

    def place(self, item: Item) -> str:
        """What stands for an item until its name is known."""
        return f"_item_{self.numbers.setdefault(item, len(self.numbers))}_"

    def constant(self, knob: str) -> str:
        """The name of a plain knob's constant."""
        self.constants.add(knob.upper())
        return knob.upper()

    def visit(self, item: Item, used: set[str], under_way: frozenset[Item] = frozenset()) -> None:
        """Adds what an item mentions, in the order in which it does, and then the item."""
        if item in self.texts or item in under_way:
            return
        if item not in self._specialized:
            self._specialized[item] = self.specialize(item)
        text, mentioned = self.linked(item, without_unused(self._specialized[item], used))
        for other in mentioned:
            self.visit(other, used, under_way | {item})
        self.texts[item] = text
        self.mentions[item] = mentioned

    def linked(self, item: Item, text: str) -> tuple[str, list[Item]]:
        """The text with each name of the project replaced by its place, and the items that it mentions."""
        source, piece, edits, mentioned = read(item.module), Text(text), [], []
        hidden = {id(node) for node in walk(piece.tree)}
        for node in global_names(piece.tree):
            name = ast.unparse(node).partition(".")[0]
            if match := PLACE.fullmatch(name):
                mentioned.append(list(self.numbers)[int(match[1])])
                continue
            meaning = source.meaning(name)
            if isinstance(meaning, ModuleName) and isinstance(node, ast.Attribute):
                meaning = read(meaning.module).meaning(node.attr)
            elif isinstance(node, ast.Attribute):
                continue  # its name comes by itself
            if isinstance(meaning, Import):
                self.imports.add(meaning)
            elif isinstance(meaning, Item):
                mentioned.append(meaning)
                if id(node) in hidden:
                    edits.append(Edit(*piece.span(node), self.place(meaning)))
            elif name.lower() in type(self.config).model_fields and name.isupper():
                self.constants.add(name)
        edits.append(self.own_name(item, piece))
        return piece.with_edits(*edits), [other for other in dict.fromkeys(mentioned) if other != item]

    def own_name(self, item: Item, piece: Text) -> Edit:
        """The edit that puts an item's place where it is defined."""
        node = piece.tree.body[0]
        start = piece.span(node)[0]
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            start += len("def " if isinstance(node, ast.FunctionDef) else "class ")
        return Edit(start, start + len(item.name), self.place(item))

    def modules(self) -> list[str]:
        """The modules that the items come from: each after those that it needs, in the order in which training does."""
        needs: dict[str, list[str]] = {}
        for item, others in self.mentions.items():
            needs.setdefault(item.module, []).extend(other.module for other in others)
        order: dict[str, None] = {}

        def visit(module: str, under_way: frozenset[str]) -> None:
            for other in needs[module]:
                if other not in under_way:
                    visit(other, under_way | {other})
            order.setdefault(module)

        visit(PROGRAM, frozenset({PROGRAM}))
        return list(order)

    def names(self) -> dict[Item, str]:
        """A name for each item: its own, unless another thing in the script is called so."""
        family_of = {item_of(technique.function): family for family, technique in chosen(self.config)}
        taken = {one.bound or one.module for one in self.imports} | self.constants
        inner = set().union(*map(locals_of, self.texts.values()))
        names: dict[Item, str] = {}
        for item in self.texts:
            name, family = item.name, family_of.get(item)
            if name in taken or (family and name != family and name in {"none", *inner}):
                name = f"{'no' if name == 'none' else name}_{family or item.module.rpartition('.')[2]}"
            names[item] = name
            taken.add(name)
        return names

    def named(self) -> dict[Item, str]:
        """The texts with their names in them."""
        by_number = {self.numbers[item]: name for item, name in self.names().items()}
        return {
            item: PLACE.sub(lambda match: by_number[int(match[1])], text) for item, text in self.texts.items()
        }


def attributes(text: str) -> set[str]:
    """Names that follow a dot."""
    return {node.attr for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Attribute)}


def without_unused(text: str, used: set[str]) -> str:
    """A class without the methods that nobody mentions; one that inherits keeps all, because its parent may call them."""
    piece = Text(text)
    node = piece.tree.body[0]
    if not isinstance(node, ast.ClassDef) or node.bases:
        return text
    edits = []
    for before, method in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(method, ast.FunctionDef)
            and method.name not in used
            and not method.name.startswith("__")
        ):
            edits.append(Edit(*piece.rows((before.end_lineno or 0) + 1, method.end_lineno or 0), ""))
    return piece.with_edits(*edits).rstrip("\n")


def locals_of(text: str) -> set[str]:
    """All names that are bound inside a definition's functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.Lambda | COMPREHENSIONS):
            found |= bound_in(node)
    return found


def global_names(tree: ast.AST) -> list[ast.Name | ast.Attribute]:
    """Names, read and not bound inside, in the order of the text; `module.name` comes whole, and its name after it."""
    found = list(_global_names(tree, frozenset()))
    return sorted(found, key=lambda node: (node.lineno, node.col_offset))


def _global_names(node: ast.AST, bound: frozenset[str]) -> Iterator[ast.Name | ast.Attribute]:
    if isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in bound:
            yield node
        return
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id not in bound:
        yield node
    inner = bound
    if isinstance(node, ast.FunctionDef | ast.Lambda | COMPREHENSIONS):
        inner = bound | bound_in(node)
    for name, value in ast.iter_fields(node):
        outside = name in ("decorator_list", "returns") or isinstance(value, ast.arguments)
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _global_names(child, bound if outside else inner)


def bound_in(node: ast.AST) -> frozenset[str]:
    """The names that a function, lambda or comprehension binds itself."""
    found: set[str] = set()
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        found |= {one.arg for one in ast.walk(node.args) if isinstance(one, ast.arg)}
    waiting = list(ast.iter_child_nodes(node))
    while waiting:
        child = waiting.pop()
        if isinstance(child, ast.FunctionDef | ast.ClassDef):
            found.add(child.name)
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            found.add(child.id)
        elif isinstance(child, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name.split(".")[0] for alias in child.names}
        if not isinstance(child, ast.FunctionDef | ast.Lambda | ast.ClassDef | COMPREHENSIONS):
            waiting.extend(ast.iter_child_nodes(child))
    return frozenset(found)
